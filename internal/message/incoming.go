package message

import (
	"strings"

	"github.com/multimail/multimail/mail"
)

// Incoming is what could be read of a message from a stranger.
type Incoming struct {
	Header   mail.Header // what the fields say; Attachments counts those of NewReading
	Warnings []string    // what could not be read as it stands: short sentences of ours, maxRemarks at most
	BodyHash string      // as in bh= of DKIM
	TextHash string      // equal for mails that say the same, "" for one that says nothing
	EightBit bool        // header or body has octets >= 0x80
	Hops     int         // number of Received fields
}

// ReadIncoming reads a message that a stranger wrote. Unlike Read it refuses
// nothing and changes nothing: a message that is malformed is somebody's mail
// all the same. What it cannot read is left out, with a warning. What it costs
// grows with the size of raw alone.
func ReadIncoming(raw []byte) Incoming {
	var in Incoming
	var warn remarks
	_, body := SplitHeader(raw)
	in.BodyHash = hashBody(body)
	in.EightBit = hasEightBit(raw)
	form := readable(raw, &warn)
	in.readFields(form, &warn)
	left := newBudget(len(form))
	root, over := parseMIME(form, left)
	if over != nil {
		warn.add(over.Public)
	}
	root.warnings(&warn)
	in.Header.Attachments = countFiles(root)
	in.TextHash = textHash(root, left)
	in.Warnings = warn.list
	return in
}

// warnings tells what is odd in the tree.
func (e *entity) warnings(warn *remarks) {
	if e.odd != "" && len(warn.list) < maxRemarks {
		warn.add("part " + partName(e) + ": " + e.odd)
	}
	for _, p := range e.parts {
		p.warnings(warn)
	}
}

func partName(e *entity) string {
	if p := partPath(e); p != "" {
		return p
	}
	return "1"
}

// readFields fills in what the fields of form say.
func (in *Incoming) readFields(form []byte, warn *remarks) {
	header, _ := SplitHeader(form)
	if len(header) > MaxHeader {
		header = header[:MaxHeader]
		warn.add(warnHeader)
	}
	if hasEightBit(header) {
		warn.add(warnEight)
	}
	all := map[string][]string{}
	read := func(f field) string {
		v := f.value()
		if len(v) > MaxField {
			warn.add(warnHeader)
			v = v[:MaxField]
		}
		return v
	}
	for len(header) > 0 {
		raw := firstField(header)
		header = header[len(raw):]
		f, ok := asField(raw)
		if !ok {
			warn.add(warnStray)
			continue
		}
		name := strings.ToLower(f.name)
		if name == "received" {
			in.Hops++
		}
		if wantedFields[name] {
			all[name] = append(all[name], read(f))
		}
	}
	values := func(name string) []string { return all[name] }
	in.singles(values, warn)
	in.people(values, warn)
	conversation(&in.Header, values, warn)
}

// asField returns raw as a field, if it is one to tolerant readers.
func asField(raw []byte) (f field, ok bool) {
	list := scanSome(raw, 1)
	if len(list) == 0 || list[0].name == "" {
		return f, false
	}
	return list[0], true
}

// wantedFields are those that ReadIncoming reads.
var wantedFields = set("from to cc subject message-id date reply-to in-reply-to references auto-submitted list-id " +
	"precedence")

// singles reads the fields that may stand once. Of several the first counts.
func (in *Incoming) singles(values func(string) []string, warn *remarks) {
	h := &in.Header
	one := func(name, label string) (string, bool) {
		list := values(name)
		if len(list) > 1 {
			warn.add("more than one " + label + " field; the first is read")
		}
		if len(list) == 0 {
			return "", false
		}
		return list[0], true
	}
	if v, ok := one("subject", "Subject"); ok {
		var cut bool
		if h.Subject, cut = lineText(v, MaxSubject); cut {
			warn.add("the Subject is longer than what is kept of it")
		}
	}
	if v, ok := one("message-id", "Message-ID"); ok {
		h.MessageID = looseID(v)
		if h.MessageID == "" {
			warn.add("Message-ID cannot be read")
		}
	}
	if v, ok := one("date", "Date"); ok {
		if h.Date = recordDate(looseDate(v)); h.Date.IsZero() {
			warn.add("Date cannot be read")
		}
	}
}

// looseID returns the one id of a Message-ID field, with or without brackets.
func looseID(v string) string {
	if ids, _ := looseIDs(v); len(ids) > 0 {
		return ids[0]
	}
	if id := parseMessageID("<" + v + ">"); len(id) <= maxMessageID {
		return id
	}
	return ""
}

// people reads the fields that name people.
func (in *Incoming) people(values func(string) []string, warn *remarks) {
	h := &in.Header
	from := readAuthor(values("from"), warn)
	h.From, h.FromName = from.addr, from.name
	for _, f := range []struct {
		name, label string
		list        *[]mail.Address
	}{{"to", "To", &h.To}, {"cc", "Cc", &h.Cc}} {
		var all bool
		if *f.list, all = looseAddresses(values(f.name)); !all {
			warn.add("an address of " + f.label + " cannot be read")
		}
	}
}
