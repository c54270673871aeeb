package message

import (
	"iter"

	"github.com/multimail/multimail/mail"
)

// RawField is one header field as it stands in the bytes.
type RawField struct {
	Name string // as written, without blanks after it; "" for lines that belong to no field
	Raw  []byte // the whole field with its continuation lines and line ends
}

// Value returns what stands after the colon, unfolded and without outer blanks.
func (f RawField) Value() string { return field{f.Name, f.Raw}.value() }

// Is compares the name without case.
func (f RawField) Is(name string) bool { return field{name: f.Name}.is(name) }

// RawFields cuts the header of a message into fields as tolerant readers do, whatever
// its size. Together they are the whole header: lines without a colon, and a first line
// that continues nothing, come too, with an empty name.
func RawFields(raw []byte) iter.Seq[RawField] {
	header, _ := SplitHeader(raw)
	return func(yield func(RawField) bool) {
		for rest := header; len(rest) > 0; {
			f := RawField{Raw: firstField(rest)}
			if found := scanSome(f.Raw, 1); len(found) == 1 {
				f.Name = found[0].name
			}
			rest = rest[len(f.Raw):]
			if !yield(f) {
				return
			}
		}
	}
}

// AuthorOf returns the one address that the values of all From fields name, as
// [ReadIncoming] reads it: whoever judges an author judges the one that is shown. The
// zero Address: they name nobody, several, or an address that cannot be read in one way.
func AuthorOf(values []string) mail.Address { return readAuthor(values, &remarks{}).addr }
