package message

import (
	"math"
	"strconv"
	"strings"
)

// shade is a colour with its opacity, from 0 to 1.
type shade struct {
	colour
	alpha float64
}

// over returns s painted on a background.
func (s shade) over(back colour) colour {
	mix := func(a, b uint8) uint8 { return uint8(math.Round(float64(a)*s.alpha + float64(b)*(1-s.alpha))) }
	return colour{mix(s.r, back.r), mix(s.g, back.g), mix(s.b, back.b)}
}

// minSeen is the contrast below which nobody reads a text. The faintest grey of
// newsletters has more.
const minSeen = 1.25

// parseShade reads a colour as browsers do: every form of CSS Color 4 that mail
// is written with. v is in lower case.
func parseShade(v string) (shade, bool) {
	v = strings.TrimSpace(v)
	if v == "transparent" {
		return shade{}, true
	}
	if c, ok := namedColours[v]; ok {
		return shade{c, 1}, true
	}
	if n, ok := webColours[v]; ok {
		return shade{colour{uint8(n >> 16), uint8(n >> 8), uint8(n)}, 1}, true
	}
	if hex, ok := strings.CutPrefix(v, "#"); ok {
		return hexShade(hex)
	}
	name, list, ok := strings.Cut(v, "(")
	if !ok || !strings.HasSuffix(list, ")") {
		return shade{}, false
	}
	args := strings.FieldsFunc(strings.TrimSuffix(list, ")"), func(r rune) bool { return strings.ContainsRune(" ,/", r) })
	if len(args) < 3 || len(args) > 4 {
		return shade{}, false
	}
	s := shade{alpha: 1}
	if len(args) == 4 {
		s.alpha = portion(args[3], 1)
	}
	switch name {
	case "rgb", "rgba":
		s.colour = colour{channel(args[0]), channel(args[1]), channel(args[2])}
	case "hsl", "hsla":
		hue, _ := splitSigned(args[0])
		s.colour = hsl(hue, portion(args[1], 100), portion(args[2], 100))
	default:
		return shade{}, false
	}
	return s, true
}

func hexShade(hex string) (shade, bool) {
	if len(hex) == 3 || len(hex) == 4 {
		var b strings.Builder
		for _, c := range []byte(hex) {
			b.WriteByte(c)
			b.WriteByte(c)
		}
		hex = b.String()
	}
	n, err := strconv.ParseUint(hex, 16, 32)
	if err != nil || len(hex) != 6 && len(hex) != 8 {
		return shade{}, false
	}
	s := shade{alpha: 1}
	if len(hex) == 8 {
		s.alpha = float64(n&0xff) / 255
		n >>= 8
	}
	s.colour = colour{uint8(n >> 16), uint8(n >> 8), uint8(n)}
	return s, true
}

// portion reads a number or a percentage as a part of whole, from 0 to 1.
func portion(v string, whole float64) float64 {
	n, unit := splitSigned(v)
	if unit == "%" {
		whole = 100
	}
	return min(max(n/whole, 0), 1)
}

func channel(v string) uint8 { return uint8(math.Round(portion(v, 255) * 255)) }

// hsl converts from hue in degrees, saturation and lightness (CSS Color 4,
// section 7.1).
func hsl(hue, saturation, light float64) colour {
	f := func(n float64) uint8 {
		k := math.Mod(n+hue/30, 12)
		if k < 0 {
			k += 12
		}
		a := saturation * min(light, 1-light)
		return uint8(math.Round(255 * (light - a*max(-1, min(k-3, 9-k, 1)))))
	}
	return colour{f(0), f(8), f(4)}
}

// splitSigned cuts a number with its sign from its unit; 0 if there is none.
func splitSigned(v string) (n float64, unit string) {
	sign := 1.0
	if rest, ok := strings.CutPrefix(v, "-"); ok {
		sign, v = -1, rest
	}
	v = strings.TrimPrefix(v, "+")
	n, unit = splitNumber(v)
	if n < 0 {
		return 0, v
	}
	return sign * n, unit
}

// webColours are the colour names of CSS Color 4 that namedColours lacks.
var webColours = func() map[string]uint32 {
	out := map[string]uint32{}
	list := strings.Fields(webColourList)
	for i := 0; i+1 < len(list); i += 2 {
		n, err := strconv.ParseUint(list[i+1], 16, 24)
		if err != nil {
			panic(err) // a constant
		}
		out[list[i]] = uint32(n)
	}
	return out
}()

const webColourList = `aliceblue f0f8ff antiquewhite faebd7 aqua 00ffff aquamarine 7fffd4 azure f0ffff beige f5f5dc
bisque ffe4c4 blanchedalmond ffebcd blueviolet 8a2be2 brown a52a2a burlywood deb887 cadetblue 5f9ea0 chartreuse 7fff00
chocolate d2691e coral ff7f50 cornflowerblue 6495ed cornsilk fff8dc crimson dc143c cyan 00ffff darkcyan 008b8b
darkgoldenrod b8860b darkgray a9a9a9 darkgrey a9a9a9 darkkhaki bdb76b darkmagenta 8b008b darkolivegreen 556b2f
darkorange ff8c00 darkorchid 9932cc darksalmon e9967a darkseagreen 8fbc8f darkslateblue 483d8b darkslategray 2f4f4f
darkslategrey 2f4f4f darkturquoise 00ced1 darkviolet 9400d3 deeppink ff1493 deepskyblue 00bfff dimgrey 696969
dodgerblue 1e90ff firebrick b22222 floralwhite fffaf0 forestgreen 228b22 fuchsia ff00ff gainsboro dcdcdc
ghostwhite f8f8ff gold ffd700 goldenrod daa520 greenyellow adff2f honeydew f0fff0 hotpink ff69b4 indianred cd5c5c
indigo 4b0082 ivory fffff0 khaki f0e68c lavender e6e6fa lavenderblush fff0f5 lawngreen 7cfc00 lemonchiffon fffacd
lightblue add8e6 lightcoral f08080 lightcyan e0ffff lightgoldenrodyellow fafad2 lightgreen 90ee90 lightpink ffb6c1
lightsalmon ffa07a lightseagreen 20b2aa lightskyblue 87cefa lightslategray 778899 lightslategrey 778899
lightsteelblue b0c4de lightyellow ffffe0 lime 00ff00 limegreen 32cd32 linen faf0e6 magenta ff00ff
mediumaquamarine 66cdaa mediumblue 0000cd mediumorchid ba55d3 mediumpurple 9370db mediumseagreen 3cb371
mediumslateblue 7b68ee mediumspringgreen 00fa9a mediumturquoise 48d1cc mediumvioletred c71585 midnightblue 191970
mintcream f5fffa mistyrose ffe4e1 moccasin ffe4b5 navajowhite ffdead oldlace fdf5e6 olivedrab 6b8e23 orangered ff4500
orchid da70d6 palegoldenrod eee8aa palegreen 98fb98 paleturquoise afeeee palevioletred db7093 papayawhip ffefd5
peachpuff ffdab9 peru cd853f pink ffc0cb plum dda0dd powderblue b0e0e6 rebeccapurple 663399 rosybrown bc8f8f
royalblue 4169e1 saddlebrown 8b4513 salmon fa8072 sandybrown f4a460 seagreen 2e8b57 seashell fff5ee sienna a0522d
skyblue 87ceeb slateblue 6a5acd slategray 708090 slategrey 708090 snow fffafa springgreen 00ff7f steelblue 4682b4
tan d2b48c thistle d8bfd8 tomato ff6347 turquoise 40e0d0 violet ee82ee wheat f5deb3 yellowgreen 9acd32
canvas ffffff canvastext 000000 window ffffff`
