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

// parseShade reads a colour in the forms that mail is written with: a name, a hexadecimal
// number, rgb() and hsl() (CSS Color 4, sections 4 to 7). Those that it does not know may
// be a colour all the same. v has the form of cssValue.
func parseShade(v string) (shade, bool) {
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
	list, closed := strings.CutSuffix(list, ")")
	if !ok || !closed {
		return shade{}, false
	}
	args := strings.Split(list, ",")
	if len(args) == 1 {
		before, alpha, slash := strings.Cut(list, "/")
		if args = strings.Split(before, " "); len(args) != 3 {
			return shade{}, false
		}
		if slash {
			args = append(args, alpha)
		}
	}
	if len(args) < 3 || len(args) > 4 {
		return shade{}, false
	}
	s := shade{alpha: 1}
	if len(args) == 4 {
		if s.alpha, ok = portion(args[3]); !ok {
			return shade{}, false
		}
	}
	switch name {
	case "rgb", "rgba":
		s.colour, ok = rgb(args)
	case "hsl", "hsla":
		s.colour, ok = hsl(args)
	default:
		ok = false
	}
	return s, ok
}

func rgb(args []string) (c colour, ok bool) {
	out := [3]uint8{}
	_, kind, _ := splitValue(args[0])
	for i, v := range args[:3] {
		n, unit, ok := splitValue(v)
		if unit == "%" {
			n *= 2.55
		}
		if !ok || unit != kind || unit != "" && unit != "%" { // all numbers, or all percentages
			return c, false
		}
		out[i] = uint8(math.Round(min(max(n, 0), 255)))
	}
	return colour{out[0], out[1], out[2]}, true
}

// hsl converts from hue in degrees, saturation and lightness (CSS Color 4,
// section 7.1).
func hsl(args []string) (c colour, ok bool) {
	hue, unit, ok := splitValue(args[0])
	saturation, u1, ok1 := splitValue(args[1])
	light, u2, ok2 := splitValue(args[2])
	if !ok || !ok1 || !ok2 || unit != "" && unit != "deg" || u1 != "%" || u2 != "%" {
		return c, false
	}
	saturation, light = min(max(saturation/100, 0), 1), min(max(light/100, 0), 1)
	f := func(n float64) uint8 {
		k := math.Mod(n+hue/30, 12)
		if k < 0 {
			k += 12
		}
		a := saturation * min(light, 1-light)
		return uint8(math.Round(255 * (light - a*max(-1, min(k-3, 9-k, 1)))))
	}
	return colour{f(0), f(8), f(4)}, true
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

// legacyShade reads the colour of an attribute as browsers do, who find one in almost
// anything (HTML, section 2.3.6).
func legacyShade(v string) (shade, bool) {
	v = lowerASCII(strings.Trim(v, " \t\n\f\r"))
	if v == "" || v == "transparent" {
		return shade{}, false
	}
	if c, ok := namedColours[v]; ok {
		return shade{c, 1}, true
	}
	if n, ok := webColours[v]; ok {
		return shade{colour{uint8(n >> 16), uint8(n >> 8), uint8(n)}, 1}, true
	}
	if s, ok := hexShade(strings.TrimPrefix(v, "#")); ok && v[0] == '#' && len(v) == 4 {
		return s, true
	}
	var digits []byte
	for i, r := range []rune(cutText(v, 128)) {
		switch {
		case i == 0 && r == '#':
		case r > 0xffff:
			digits = append(digits, '0', '0')
		case r < 0x80 && unhex(byte(r)) >= 0:
			digits = append(digits, byte(r))
		default:
			digits = append(digits, '0')
		}
	}
	for len(digits) == 0 || len(digits)%3 != 0 {
		digits = append(digits, '0')
	}
	n := len(digits) / 3
	parts := []string{string(digits[:n]), string(digits[n : 2*n]), string(digits[2*n:])}
	for i := range parts {
		parts[i] = parts[i][max(n-8, 0):]
	}
	for len(parts[0]) > 2 && parts[0][0] == '0' && parts[1][0] == '0' && parts[2][0] == '0' {
		for i := range parts {
			parts[i] = parts[i][1:]
		}
	}
	out := [3]uint8{}
	for i, p := range parts {
		if len(p) > 2 {
			p = p[:2]
		}
		x, _ := strconv.ParseUint(p, 16, 8) // digits alone
		out[i] = uint8(x)
	}
	return shade{colour{out[0], out[1], out[2]}, 1}, true
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
