package message

import "strings"

// anyValue are properties that hide nothing, whatever they are set to.
var anyValue = set("accent-color align-content align-items align-self anchor-name animation-delay " +
	"animation-direction animation-duration animation-fill-mode animation-iteration-count animation-play-state " +
	"animation-timing-function appearance backface-visibility baseline-source border-bottom-color " +
	"border-bottom-left-radius border-bottom-right-radius border-bottom-style border-collapse border-color " +
	"border-end-end-radius border-end-start-radius border-left-color border-left-style border-radius " +
	"border-right-color border-right-style border-start-end-radius border-start-start-radius border-style " +
	"border-top-color border-top-left-radius border-top-right-radius border-top-style box-align " +
	"box-decoration-break box-direction box-flex box-orient box-pack box-sizing break-after break-before " +
	"break-inside caption-side caret caret-color clear color-adjust column-fill column-rule column-rule-color " +
	"column-rule-style column-rule-width column-span container-name counter-increment counter-reset " +
	"counter-set cursor empty-cells fill fill-opacity flex-direction flex-flow flex-grow flex-shrink " +
	"flex-wrap font-display font-feature-settings font-kerning font-language-override font-optical-sizing " +
	"font-smoothing font-stretch font-style font-synthesis font-synthesis-style font-synthesis-weight " +
	"font-variant font-variant-alternates font-variant-caps font-variant-east-asian font-variant-emoji " +
	"font-variant-ligatures font-variant-numeric font-variant-position font-weight font-width " +
	"forced-color-adjust hanging-punctuation hyphenate-character hyphens image-rendering isolation " +
	"justify-content justify-items justify-self line-break list-style list-style-image list-style-position " +
	"list-style-type marker marks math-style nbsp-mode object-fit object-position order orphans " +
	"osx-font-smoothing outline-color outline-style overflow-anchor overflow-scrolling overflow-wrap " +
	"overscroll-behavior overscroll-behavior-x overscroll-behavior-y page page-break-after page-break-before " +
	"page-break-inside paint-order perspective-origin place-content place-items place-self pointer-events " +
	"print-color-adjust quotes resize ruby-align ruby-position scroll-behavior scroll-margin scroll-padding " +
	"scroll-snap-align scroll-snap-type scrollbar-color scrollbar-gutter scrollbar-width shape-rendering " +
	"speak speak-as src stroke stroke-width supported-color-schemes tap-highlight-color text-align " +
	"text-align-last text-anchor text-decoration-color text-decoration-line text-decoration-skip " +
	"text-decoration-skip-ink text-decoration-style text-emphasis text-justify text-overflow text-rendering " +
	"text-transform text-underline-position text-wrap-style " +
	"touch-action touch-callout transform-origin transition transition-delay transition-duration " +
	"transition-property transition-timing-function unicode-range user-drag user-modify user-select widows " +
	"will-change word-break word-wrap")

// plainWords are properties that hide nothing while they have one of these values.
var plainWords = func() map[string]map[string]bool {
	out := map[string]map[string]bool{}
	put := func(names, values string) {
		for _, n := range strings.Fields(names) {
			if out[n] == nil {
				out[n] = map[string]bool{}
			}
			for _, v := range splitWords(values) {
				out[n][v] = true
			}
		}
	}
	put("align-tracks alignment-baseline animation animation-name aspect-ratio backdrop-filter border-image "+
		"border-image-source box-reflect box-shadow clip-path contain container container-type filter "+
		"image-orientation initial-letter mask mask-image mask-border mix-blend-mode offset-path perspective "+
		"position-area rotate shape-outside text-combine-upright text-security text-shadow text-size-adjust "+
		"transform translate font-palette font-size-adjust font-variation-settings line-clamp text-box "+
		"content zoom scale clip columns column-count column-width background-blend-mode text-orientation "+
		"size-adjust content-visibility text-stroke text-stroke-width", "none normal auto visible unset initial")
	put("translate rotate perspective text-shadow box-shadow border-image", "0 0px")
	put("size-adjust text-size-adjust zoom scale", "100% 1")
	put("columns column-count", "1")
	put("transform", "scale(1) rotate(0) rotate(0deg) translate(0) translate(0,0) translatez(0) translate3d(0,0,0)")
	put("transform-style", "flat preserve-3d")
	put("background-clip", "border-box padding-box initial unset")
	put("color-scheme", "normal light initial")
	put("direction", "ltr rtl inherit initial")
	put("unicode-bidi", "normal embed isolate plaintext initial")
	put("writing-mode", "horizontal-tb lr-tb lr initial")
	put("text-orientation", "mixed")
	put("text-wrap text-wrap-mode", "wrap balance pretty stable auto initial")
	put("white-space-collapse", "collapse preserve preserve-breaks initial")
	put("vertical-align", "baseline top middle bottom text-top text-bottom sub super inherit initial unset 0 0px 100%")
	put("content", `""`)
	put("flex", "none auto initial unset 0 1 2 3 4")
	put("flex-basis", "auto content initial 100%")
	put("image-orientation", "from-image")
	put("grid grid-area grid-column grid-row grid-template", "auto none initial")
	put("grid-template-columns grid-template-rows grid-template-areas", "none initial")
	put("grid-auto-flow grid-auto-rows grid-auto-columns grid-column-gap", "row column auto 0")
	for _, v := range []string{"light dark", "dark light", "light only", "only light"} {
		out["color-scheme"][v] = true
	}
	return out
}()

// bounded are properties that hide nothing while they meet a condition.
var bounded = func() map[string]func(string) bool {
	out := map[string]func(string) bool{
		"flex": flexes, "filter": func(v string) bool { // of a browser that is gone
			return strings.HasPrefix(v, "progid:") || strings.HasPrefix(v, "alpha(")
		},
		"box-shadow":  func(v string) bool { return shadows(v, 4, 15) },
		"text-shadow": func(v string) bool { return shadows(v, 1, 2) },
	}
	put := func(names string, f func(string) bool) {
		for _, n := range strings.Fields(names) {
			out[n] = f
		}
	}
	put("gap row-gap column-gap grid-gap border-spacing outline-offset text-underline-offset", upTo(50))
	for name := range borders {
		out[name] = upTo(mostRise)
	}
	put("tab-size", func(v string) bool {
		n, unit, ok := splitValue(v)
		return ok && unit == "" && n >= 0 && n <= 16
	})
	put("outline outline-width", upTo(0))                     // they lie over all of the page
	put("text-decoration text-decoration-thickness", upTo(2)) // a line through text lies over it
	put("text-stroke text-stroke-width", upTo(0))
	return out
}()

// upTo allows lengths of so many pixels, and words and colours beside them.
func upTo(most float64) func(string) bool {
	return func(v string) bool {
		for _, w := range splitWords(v) {
			if _, _, isNumber := splitValue(w); !isNumber {
				if _, colour := parseShade(w); !colour && strings.ContainsAny(w, `(\`) {
					return false
				}
				continue
			}
			if px, ok := length(w, normalSize); !ok && w != "0" || px > most || px < 0 {
				return false
			}
		}
		return true
	}
}

// flexes allows how items share a line, unless they shrink to nothing.
func flexes(v string) bool {
	words := strings.Fields(v)
	if len(words) > 3 {
		return false
	}
	for i, w := range words {
		n, unit, ok := splitValue(w)
		grows := ok && unit == "" && (n > 0 || i < 2)
		basis := ok && (unit == "%" && n >= 10 || unit == "px" && n >= leastWide)
		if !grows && !basis && w != "auto" {
			return false
		}
	}
	return true
}

// shadows allows shadows that stay near to what has them, by pixels, or are faint: they hide
// nothing.
func shadows(v string, nearShadow, softShadow float64) bool {
	list := splitOutside(v, ',')
	for _, one := range list {
		at, near, faint := 0, true, false
		for _, w := range splitWords(one) {
			if _, _, isNumber := splitValue(w); !isNumber {
				c, colour := parseShade(w)
				if !colour {
					return false
				}
				faint = faint || colour && c.alpha <= faintShadow
				continue
			}
			bound := nearShadow
			if at == 2 { // it is blurred
				bound = softShadow
			}
			px, ok := length(w, normalSize)
			if near = near && px <= bound && px >= -bound; !ok || at > 3 || px > farAway || px < -farAway {
				return false
			}
			at++
		}
		if !near && !faint {
			return false
		}
	}
	return len(list) <= 2
}

// faintShadow is the opacity of a shadow that hides nothing.
const faintShadow = 0.35

// borders are the properties of borders that have a width. Those of what stands in a line
// are painted over the lines around.
var borders = set("border border-width border-top border-right border-bottom border-left border-top-width " +
	"border-right-width border-bottom-width border-left-width border-block border-inline border-block-start " +
	"border-block-end border-inline-start border-inline-end")

// mostBorder is the broadest border that is judged, in pixels.
const mostBorder = 50

// judged are the properties that a look keeps, with those that stand for them.
var judged = set("display visibility opacity color text-fill-color background-color background-image background-size " +
	"background-position background-repeat background-origin background-attachment background-position-x " +
	"background-position-y font-size line-height height max-height min-height width max-width min-width " +
	"overflow-x overflow-y position left top right bottom margin-left margin-top margin-right margin-bottom " +
	"padding-left padding-top padding-right padding-bottom text-indent z-index letter-spacing word-spacing " +
	"white-space float font-family table-layout")

// sideNames are other names of properties, in text from left to right and downwards.
var sideNames = func() map[string]string {
	out := map[string]string{
		"block-size": "height", "inline-size": "width", "min-block-size": "min-height",
		"min-inline-size": "min-width", "max-block-size": "max-height", "max-inline-size": "max-width",
		"overflow-block": "overflow-y", "overflow-inline": "overflow-x"}
	for side, flow := range map[string]string{"left": "inline-start", "right": "inline-end", "top": "block-start",
		"bottom": "block-end"} {
		out["margin-"+flow], out["padding-"+flow], out["inset-"+flow] = "margin-"+side, "padding-"+side, side
	}
	for old, side := range map[string]string{"start": "left", "end": "right", "before": "top", "after": "bottom"} {
		out["margin-"+old], out["padding-"+old] = "margin-"+side, "padding-"+side
	}
	return out
}()

// vendors begin names of properties that are those of everybody behind it.
var vendors = []string{"-webkit-", "-moz-"}

// propertyName returns the name that the tables have, "" for what no browser reads: names of
// other vendors, and those of Word.
func propertyName(name string) string {
	for _, v := range vendors {
		name = strings.TrimPrefix(name, v)
	}
	if strings.HasPrefix(name, "-") || strings.HasPrefix(name, "mso-") {
		return ""
	}
	if to := sideNames[name]; to != "" {
		return to
	}
	return name
}

// isPlain reports whether a declaration hides nothing.
func isPlain(d declaration) bool {
	name := propertyName(d.name)
	if name == "" || anyValue[name] || plainWords[name][d.value] {
		return true
	}
	f := bounded[name]
	return f != nil && f(d.value)
}
