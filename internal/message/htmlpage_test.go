package message

import (
	"fmt"
	"strings"
	"testing"
)

// said writes what a page says: text that is certainly shown as it stands, and
// all else as {note: text}.
func said(source string) string {
	var out []string
	renderHTML(source).eachSegment(func(kind SegmentKind, note, text string) {
		if text = strings.TrimSpace(text); kind == SegmentHidden {
			text = "{" + note + ": " + text + "}"
		}
		out = append(out, text)
	})
	return strings.Join(out, " ")
}

func TestPageIsRenderedAsTheTextABrowserWouldShow(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"white space collapses", "a  b\r\n\tc", "a b c"},
		{"paragraphs and line breaks", "<p>a<p>b<br>c<div>d</div>e", "a\n\nb\nc\nd\ne"},
		{"inline elements do not part words", "<b>a</b>b<i>c</i>", "abc"},
		{"lists and cells", "<ul><li>a<li>b</ul><table><tr><td>1<td>2<tr><td>3</table>", "- a\n- b\n\n1 2\n3"},
		{"entities", "a &amp; b &#x202e;&lt;c&gt;", "a & b \u202e<c>"},
		{"link text", `<a href="http://x.test/">x</a> <a href=http://y.test>http://y.test</a>`, "x http://y.test"},
		{"an unclosed tag", "a<b", "a {unclosed tag: <b}"},
		{"an unclosed tag with words", `a<p title="pay 500`, `a {unclosed tag: <p title="pay 500}`},
		{"a stray bracket is text", "1 < 2 > 0", "1 < 2 > 0"},
		{"noscript, as mail programs run no script", "<noscript>a <b>b</b></noscript>", "{element noscript: a b}"},
		{"plaintext", "<plaintext>a</plaintext><b>", "{element plaintext: a</plaintext><b>}"},
		{"textarea", "<textarea><b>x</b></textarea>", "{element textarea: <b>x</b>}"},
	} {
		if got := said(tt.in); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

// pageSaid returns what the segments of pages hold, shown or hidden.
func pageSaid(r *Review) (out string) {
	for _, s := range r.Segments {
		if s.Kind == SegmentHTML || s.Kind == SegmentHidden {
			out += s.Note + ": " + s.Text + "\n"
		}
	}
	return out
}

// checkHidden fails unless "secret" stands in hidden segments alone, and note
// says why.
func checkHidden(t *testing.T, in, note string) {
	t.Helper()
	found := false
	renderHTML("<p>open</p>" + in).eachSegment(func(kind SegmentKind, why, text string) {
		if strings.Contains(text, "secret") {
			found = found || kind == SegmentHidden && strings.Contains(why, note)
			if kind != SegmentHidden {
				t.Errorf("%s: %q is said to be shown", in, text)
			}
		}
	})
	if !found {
		t.Errorf("%s: not shown as hidden by %q: %s", in, note, said(in))
	}
}

func TestWhatABrowserHidesIsShownWithAMark(t *testing.T) {
	for _, in := range []string{
		`<p hidden>secret</p>`, `<P HIDDEN="">secret</P>`, `<template>secret</template>`,
		`<p style="display:none">secret</p>`, `<p style="DISPLAY :  NONE !important;">secret</p>`,
		`<p style="display:/**/none">secret</p>`, `<p style="color:red;/*;*/display:none">secret</p>`,
		`<p style="display&#58;none">secret</p>`, `<p style="d\69splay:none">secret</p>`,
		`<p style="visibility:hidden">secret</p>`, `<p style="visibility:collapse">secret</p>`,
		`<p style="font-size:0">secret</p>`, `<p style="font-size:0px">secret</p>`, `<p style="font-size:1px">secret</p>`,
		`<p style="font-size:.01em">secret</p>`, `<p style="font-size:0%">secret</p>`,
		`<p style="opacity:0">secret</p>`, `<p style="mso-hide:all">secret</p>`,
		`<p style="max-height:0;overflow:hidden">secret</p>`, `<p style="width:1px;height:1px;overflow:hidden">secret</p>`,
		`<p style="text-indent:-9999px">secret</p>`, `<p style="position:absolute;left:-5000px">secret</p>`,
		`<p style="color:transparent">secret</p>`, `<p style="color:#123;background-color:#123">secret</p>`,
		`<p style="color:#FFF">secret</p>`, `<font color=white>secret</font>`, `<p style="clip:rect(0,0,0,0)">secret</p>`,
		`<div style="display:none"><div>a</div>secret</div>`, `<div hidden><p>secret`,
		`<!-- secret -->`, `<!--[if mso]><p>secret</p><![endif]-->`, `<script>secret</script>`, `<iframe>secret</iframe>`,
		`<title>secret</title>`, `<style>p:before{content:"secret"}</style>`, `<img alt=secret>`, `<p title="secret">x</p>`,
		`<input type=hidden value=secret>`, `<!DOCTYPE secret>`, `<svg><title>secret</title></svg>`,
		`<noscript><noscript>secret</noscript>`, `<noscript><iframe><noscript><p hidden>secret`,
		// what is not certain counts as hidden
		`<p style="max-width:600px;overflow:hidden">secret</p>`, `<p style="line-height:0.9em">secret</p>`,
		`<p style="width:0">secret</p>`, `<td bgcolor="#003366"><font color="#ffffff">secret</font></td>`,
		`<p style="margin-left:-5px">secret</p>`, `<!--[if !mso]><!-->secret<!--<![endif]-->`,
		`<![if !mso]>secret<![endif]>`,
		// light text: where its background is painted differs between programs
		`<table><tr><td bgcolor="#003366" style="color:#ffffff">secret</td></table>`,
		`<p style="color:#fff;background:#036">secret</p>`, `<p style="color:#fff;background:#036"><b>secret</b>`,
		`<p style="color:#fff;background:#000;background:none">secret`,
		`<p style="background:#000;color:#fff;color:inherit">secret`,
		`<p style="color:#fff;background:#000 important">secret`, `<p bgcolor="#000" style="color:#fff">secret`,
		`<p style="color:#fff" style="background:#000">secret`,
		`<span style="color:#fff;background:#000"><div>secret</div></span>`,
		`<meta name="color-scheme" content="dark"><p style="color:#000">secret`,
		`<table style="color:#fff;background:#000"><caption>secret</caption></table>`,
		// what CSS and a splitter take differently
		`<p style="font-family:'/*';display:none;font-family:'*/arial'">secret`, `<p style="color:blac&#x212A;">secret`,
		`<style>p{font-family:"/*"}p{display:none}q{font-family:"*/arial"}</style><p>secret`,
		`<style>.x{p:not(&){display:none}}</style><p>secret`, `<style>.x{+p{display:none}}</style><p>secret`,
		// sizes that shrink with what is around them
		`<div style="font-size:100px"><table><tr><td style="font-size:.1em">secret`,
		`<div style="font-size:8px"><h4><div style="font-size:.5em"><h4>secret`,
		`<body style="font-size:8px"><body style="font-size:100px"><p>secret`,
		// covered, moved or joined
		`<table style="display:block;height:0"><tr><td>secret</table>`, `<p style="font-size:40px;line-height:8px">secret`,
		`<p style="line-height:20px"><span style="font-size:40px">secret</span>`, `<table><tr><td rowspan=2>secret</table>`,
		`<table><tr><td>x</td></tr>secret</table>`, `<table><tr><td>x</td></tr><p>secret</p></table>`,
		`<table><tr>secret<td>x</table>`, `<table><tr><td>x<caption>secret</caption></table>`,
		`<table><tfoot><tr><td>secret</tfoot></table>`,
		`<table><tbody><tr><td>x</tbody><thead><tr><td>secret</thead></table>`, `<table align=right><tr><td>secret</table>`,
		`1<div style="display:inline">secret</div>`, `10<span style="display:block">secret</span>`,
		`<p style="white-space:pre">secret`, `<p style="text-indent:200px">secret`,
		`<![if !mso]><!--[endif]-->secret<![endif]>`,
	} {
		checkHidden(t, in, "")
	}
}

func TestWhatABrowserShowsIsNotMarked(t *testing.T) {
	for _, in := range []string{
		`<p>secret</p>`, `<p style="display:block;font-size:12px;opacity:1">secret</p>`,
		`<p style="font-size:1em;line-height:1.1em;width:auto">secret</p>`, `<p style="max-width:600px">secret</p>`,
		`<p hidden>x</p>secret`, `<div hidden><div>x</div></div>secret`, `<br hidden>secret`,
		`<!--[if !mso]><!-->x<!--<![endif]-->secret`, `<ul><li hidden>x<li>secret</ul>`,
		`<table><tr hidden><td>x<tr><td>secret</table>`, `<table hidden><tr><td>x</table>secret`, `<p class=a id=b>secret`,
		`<div dir=ltr>secret</div>`, `<font size=2 face="Arial, sans-serif" color="#333">secret</font>`,
	} {
		shown := false
		renderHTML(in).eachSegment(func(kind SegmentKind, _, text string) {
			shown = shown || kind == SegmentHTML && strings.Contains(text, "secret")
		})
		if !shown {
			t.Errorf("%s: %s", in, said(in))
		}
	}
}

// Only what is on a list is certainly shown: any other element, known or not.
func TestOnlyListedElementsAreCertainlyShown(t *testing.T) {
	for _, name := range strings.Fields(
		"canvas audio video dialog details summary object map svg math ruby rt template slot " +
			"noscript noembed noframes iframe button textarea title xmp marquee progress meter fieldset legend label form " +
			"select option datalist optgroup frameset del s strike ins sup sub bdo bdi mark x-own blink listing portal image") {
		checkHidden(t, "<"+name+">secret</"+name+">", "element "+name)
		checkHidden(t, "<p><"+strings.ToUpper(name)+"/>secret", "element "+name)
	}
	checkHidden(t, "<picture><img alt=secret></picture>", "attribute alt of img")
	checkHidden(t, "<select><option>secret</select>", "element select")
	checkHidden(t, "<iframe srcdoc='pay secret'></iframe>", "attribute srcdoc of iframe")
	checkHidden(t, "<input value=secret>", "attribute value of input")
	checkHidden(t, "<p data-x=secret>a", "attribute data-x of p")
}

func TestOnlyListedAttributesLeaveTextCertain(t *testing.T) {
	for _, attribute := range []string{
		"hidden", "popover", "dir=rtl", "dir=auto", "contenteditable", "data-x=1", "onclick=x()", "inert", "aria-hidden=true",
		"is=x-y", "slot=a", "background=http://x.test/b.png", "align=char", "width=99999", "bgcolor=black", "itemprop=x",
		"role=button", "translate=no", "draggable=true", "start=500", "reversed", "color=white", "tabindex=1",
	} {
		key, _, _ := strings.Cut(attribute, "=")
		checkHidden(t, "<p "+attribute+">secret", "")
		if key != "bgcolor" {
			checkHidden(t, "<p "+attribute+">secret", "attribute "+key)
		}
	}
	for _, in := range []string{"<ol start=500><li>secret</ol>", "<ol type=i><li>secret</ol>", "<li value=9>secret",
		"<body hidden>secret",
		"secret<body hidden>", "<html style='filter:none'>secret", "secret <body style='color:#fff'>",
		"<font face=Wingdings>secret",
		"<font color=#fefefe>secret", "<td height=1><p height=1>secret", "<body bgcolor=black>secret",
		"secret<body bgcolor=black text=white>"} {
		checkHidden(t, in, "")
	}
}

func TestOnlyListedStylesLeaveTextCertain(t *testing.T) {
	for _, style := range []string{
		"clip-path:inset(100%)", "filter:opacity(0)", "zoom:0", "transform:scale(0)", "position:absolute", "opacity:.9",
		"display:flex", "display:contents", "direction:rtl", "unicode-bidi:bidi-override", "writing-mode:vertical-rl",
		"mask:url(x)", "content:'x'", "mix-blend-mode:screen", "text-transform:uppercase", "font-variant:small-caps",
		"letter-spacing:-1em", "word-spacing:90px", "-webkit-text-fill-color:transparent", "-webkit-text-security:disc",
		"text-decoration:line-through", "float:left", "order:2", "height:1px", "max-height:0", "content-visibility:hidden",
		"backdrop-filter:blur(9px)", "list-style-type:'500'", "all:unset", "font:0/0 a", "behavior:url(x)",
		"animation:x 1s", "unknown:1", "vertical-align:super", "margin-top:-20px", "rotate:180deg", "margin-left:9000px",
		"line-height:0", "width:99999px", "width:calc(1px)", "color:var(--x)", "--x:0", "quotes:none",
		"font-family:Wingdings", "font-family:Arial, Own", "font-family:url(x)", "background:url(x)", "background:black",
		"background:#000001", "color:#eee", "color:hsl(0,0%,100%)", "color:rgba(0,0,0,0)", "color:currentcolor",
		"color:#12345", "color:#000;color:#fff", "background:#fff;background-color:#000", "color:#777;background:#787878",
		"color:attr(x)", "font-size:7px", "font-size:calc(12px)", "font-size:5pt", "font-size:400px", "font-size:1vw",
		"color", "color:#000}p{color:red", "width:expression(alert(1))", "@import x", "border-width:999px",
		"padding:100px 300px", "color:#000;/*x", "overflow:auto",
	} {
		checkHidden(t, `<p style="`+style+`">secret</p>`, "")
	}
	for _, in := range []string{
		"<small><small><small><small><small>secret", "<div style='font-size:.6em'><div style='font-size:.6em'>secret",
		"<h6><div><h6>secret", "<div style='background:#000;color:#fff'><table><tr><td>secret",
		"<div style='background:#00e;color:#fff'><a href=http://x.test>secret</a>",
		"<div style='background:#000'><b>secret", "<div style='background:#000;color:#fff'><p style='color:#000'>secret",
		"<div style='background:#000;color:#fff'><p style='background:#fff'>secret",
		"<table bgcolor=black><font color=white>secret",
	} {
		checkHidden(t, in, "")
	}
	checkHidden(t, `<p style="clip-path:circle(0)">secret`, "style clip-path")
}

// A mark ends where every program ends the element, and not before.
func TestAMarkStaysOnUntilTheElementCertainlyEnds(t *testing.T) {
	for _, in := range []string{
		"<div hidden></b>secret", "<div hidden></p>secret", "<div hidden><b></div>secret", "<span hidden><p>x</span>secret",
		"<b hidden><p>x</b>secret", "<div hidden><table></div>secret", "<div hidden><table><tr><td></div>secret",
		"<div><p hidden><td>secret", "<p hidden><table><tr><td>x</table>secret", "<div hidden/>secret",
		"<p><b hidden>x<p>secret", "<table><b hidden>x<tr><td>secret", "<form hidden><div></form>secret",
		"<svg></svg>secret", "<math></math>secret", "<noscript></noscript>secret", "<noscript><!--</noscript>secret-->",
		"<p></p><frameset></frameset>secret", "<svg><style><p hidden></style></svg>secret",
		"<select><style><div hidden></style></select>secret", "<template></template>secret",
		"<!--[if !mso]><!--><!--[if gte mso 9]><!--><!--<![endif]-->secret", "<body hidden></body>secret",
		"<html hidden></html>secret", "<ul><div></ul><dd hidden></div>secret", "<dd><div><dd hidden></div>secret",
		"<td><li hidden></td>secret", "<div hidden><x-own></div>secret", "<x-own></x-own>secret",
		strings.Repeat("<div>", 600) + strings.Repeat("</div>", 600) + "secret",
	} {
		checkHidden(t, in, "")
	}
}

func TestAStyleSheetIsShownAndNotedOnAllText(t *testing.T) {
	for sheet, want := range map[string]string{
		"p{margin:0}":                                  "shown",
		"<!-- p.x{margin:0;color:#111} -->":            "shown",
		"@media (max-width:9px){.x{width:100%}}":       "shown",
		"@page a{size:8.5in}":                          "shown",
		"@font-face{font-family:Calibri;panose-1:2 1}": "shown",
		".x{display:none}":                             "by class",
		"div.x, #y{clip-path:inset(9%)}":               "by class",
		"@media print{.x{display:none}} p{margin:0}":   "by class",
		"p{display:none}":                              "hidden",
		".x p{display:none}":                           "hidden",
		".x:before{content:attr(class)}":               "hidden",
		"[data-x]{display:none}":                       "hidden",
		"*{color:#fff}":                                "hidden",
		"@import url(http://x.test/a.css);":            "hidden",
		"@font-face{font-family:a;src:url(x)}":         "hidden",
		"p{d\\69splay:none}":                           "hidden",
		"p{font-family:\"}\";display:none}":            "hidden",
		"@supports (a:b){p{display:none}}":             "hidden",
		"p{margin:0}}p{display:none}":                  "hidden",
		"p{margin:0} junk":                             "hidden",
	} {
		for _, class := range []bool{false, true} {
			in := "<p>secret<style>" + sheet + "</style>"
			if class {
				in = "<p class=x>secret<style>" + sheet + "</style>"
			}
			kind, note := SegmentKind(""), ""
			renderHTML(in).eachSegment(func(k SegmentKind, n, text string) {
				if text == "secret" {
					kind, note = k, n
				}
			})
			hidden := want == "hidden" || want == "by class" && class
			if (kind == SegmentHidden) != hidden || !strings.Contains(note, "style sheet") {
				t.Errorf("%s: class %v: %s %q", sheet, class, kind, note)
			}
		}
		checkHidden(t, "<style>/* secret */"+sheet+"</style>", "style sheet")
	}
	checkHidden(t, "<link rel=stylesheet href=http://x.test/a.css>secret", "style sheet")
	checkHidden(t,
		"<style>p{color:#000}</style><div style='background:#eee;color:#333'>x</div>"+
			"<div style='background:#000;color:#fff'>secret", "colour of the text")
	for _, meta := range []string{"http-equiv=refresh content='0;url=http://x.test/'",
		"http-equiv=Refresh content='0;http://x.test/İ'"} {
		renderHTML("<meta " + meta + ">a").eachSegment(func(kind SegmentKind, note, text string) {
			if kind != SegmentHTML || note != remarkRefresh || text != "a" {
				t.Errorf("%s: %s %q %q", meta, kind, note, text)
			}
		})
	}
}

// A mark cannot be written by a page.
func TestNoPageWritesAMarkOfItsOwn(t *testing.T) {
	r := NewReview(mailWith("Content-Type: text/html\n\n<p>[hidden: a] b<p hidden>c] d</p><p>e"))
	want := "[{Kind:html Part:1 Depth:0 Note: Text:[hidden: a] b} " +
		"{Kind:hidden Part:1 Depth:0 Note:attribute hidden Text:c] d}" +
		" {Kind:html Part:1 Depth:0 Note: Text:e}]"
	if got := fmt.Sprintf("%+v", r.Segments); got != want || !strings.Contains(codes(r), "hidden_text@1") {
		t.Errorf("got  %s %s\nwant %s", got, codes(r), want)
	}
}
