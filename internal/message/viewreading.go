package message

// otherReadings shows what else programs make of the text of a leaf.
func (v *viewer) otherReadings(e *entity, texts []reading) {
	for _, r := range texts {
		text := r.text
		if e.kind == "text/html" {
			if !v.afford(e, len(text)) {
				return
			}
			page := renderHTML(text)
			v.link(e, page.links)
			text = page.out.b.String()
		}
		v.link(e, textLinks(text))
		v.reading(e, r.note, text)
	}
}

// reading appends a segment that is shown whatever else says the same.
func (v *viewer) reading(e *entity, note, text string) {
	v.warn.Add(WarnReading, partPath(e), "read in more than one way: %s", note)
	v.add(e, SegmentReading, note, text)
	if n := len(v.shown); n > 0 && v.shown[n-1].Kind == SegmentReading {
		v.shown[n-1].page = nil
	}
}

// maxReadings bounds how many readings of one text are built and shown.
const maxReadings = 3

// reading is what some programs show of a leaf.
type reading struct{ note, text string }

// texts returns the readings of the text of a leaf, the most lenient first, at
// least one; data is what decodeTransfer made of it. Where programs differ it
// says why.
func (v *viewer) texts(e *entity, data []byte) (out []reading, why string) {
	var seen readingSet
	add := func(note, set string, octets []byte) (why string) {
		if len(out) == maxReadings {
			return ""
		}
		text, why := v.decodeCharset(e, set, octets)
		if n := len(seen.list); n == 0 && len(out) == 0 {
			seen.add(text)
			out = append(out, reading{note, text})
		} else if seen.add(text); len(seen.list) > n {
			out = append(out, reading{note, text})
		}
		return why
	}
	main := e.typ.first("charset")
	done := map[string]bool{}
	for i, set := range e.charsets(data) {
		name := charsetName(set)
		// What is ASCII reads the same in every charset that extends it.
		if done[name] || i > 0 && extendsASCII(name) && extendsASCII(charsetName(main)) && !hasEightBit(data) {
			continue
		}
		done[name] = true
		reason := add("in the charset "+set, set, data)
		if i == 0 {
			why = reason
		}
		if reason != "" && set != "" && name != "utf-8" {
			add("octets as they stand", "utf-8", data)
		}
	}
	if e.damage != "" || e.plainToo {
		for _, octets := range v.otherOctets(e) {
			add("transfer encoding undone in another way", main, octets)
		}
	}
	if len(out) > 1 && why == "" {
		why = "its text is read in more than one way"
	}
	return out, why
}

// otherOctets returns what other programs than the lenient ones make of a leaf
// whose transfer encoding is damaged or read in two ways.
func (v *viewer) otherOctets(e *entity) [][]byte {
	var out [][]byte
	if !v.afford(e, maxDecoded(e.encoding, e.body)) || !v.left.scan(len(e.body)) {
		return nil
	}
	switch e.encoding {
	case "base64":
		out = append(out, strictPrefix64(e.body))
	case "quoted-printable":
		data, sound := decodeQuoted(e.body)
		out = append(out, data[:sound])
	}
	if e.plainToo {
		out = append(out, e.body)
	}
	return out
}
