package inbox

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// Bounds of the tags of one mail.
const (
	MaxTags     = 50
	MaxTagKey   = 64  // octets
	MaxTagValue = 256 // octets
)

// Errors of what a reader asks for.
var (
	ErrTag       = errors.New("inbox: a tag has a key of 1 to 64 octets and a value of up to 256, of printable characters")
	ErrManyTags  = errors.New("inbox: a mail has up to 50 tags")
	ErrContact   = errors.New("inbox: a contact has a name and tags of printable characters")
	ErrContacts  = errors.New("inbox: the mailbox has as many contacts as it may")
	ErrDuplicate = errors.New("inbox: a contact with this address is there already")
)

func tagKey(box mail.Address, id mail.ID) string { return in(tagPrefix, box) + string(id) + "\x00" }

// isText reports whether s is UTF-8 of at most limit octets, without controls or
// invisible characters.
func isText(s string, limit int) bool {
	return len(s) <= limit && utf8.ValidString(s) && strings.IndexFunc(s, func(c rune) bool {
		return !unicode.IsPrint(c)
	}) < 0
}

// Tags returns the tags of a mail; mail.ErrNotFound if the mailbox shows none such.
func (b *Inbox) Tags(tx store.Tx, box mail.Address, id mail.ID) (map[string]string, error) {
	if _, _, err := b.find(tx, box, id); err != nil {
		return nil, err
	}
	return tags(tx, box, id)
}

func tags(tx store.Tx, box mail.Address, id mail.ID) (map[string]string, error) {
	out, prefix := map[string]string{}, tagKey(box, id)
	err := space.Scan(tx, store.Prefix(prefix), func(key string, v []byte) error {
		out[key[len(prefix):]] = string(v)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("inbox: tags of %s: %w", id, err)
	}
	return out, nil
}

// SetTags adds tags to a mail, or gives those it has another value, all or none, and
// returns all that it has then. With only it takes off every other tag.
func (b *Inbox) SetTags(
	tx store.Tx, box mail.Address, id mail.ID, set map[string]string, only bool,
) (map[string]string, error) {
	out, err := b.Tags(tx, box, id)
	if err != nil {
		return nil, err
	}
	if only {
		if err := clearTags(tx, box, id); err != nil {
			return nil, err
		}
		clear(out)
	}
	for key, value := range set {
		if strings.Trim(key, ".") == "" || !isText(key, MaxTagKey) || !isText(value, MaxTagValue) {
			return nil, ErrTag
		}
		out[key] = value
	}
	if len(out) > MaxTags {
		return nil, ErrManyTags
	}
	for key, value := range set {
		if err := space.Put(tx, tagKey(box, id)+key, []byte(value)); err != nil {
			return nil, fmt.Errorf("inbox: tag %s: %w", id, err)
		}
	}
	return out, nil
}

// DeleteTag takes a tag off a mail, and reports whether it had it.
func (b *Inbox) DeleteTag(tx store.Tx, box mail.Address, id mail.ID, key string) (bool, error) {
	before, err := b.Tags(tx, box, id)
	if err != nil {
		return false, err
	}
	if _, ok := before[key]; !ok {
		return false, nil
	}
	return true, space.Delete(tx, tagKey(box, id)+key)
}

// clearTags takes every tag off a mail.
func clearTags(tx store.Tx, box mail.Address, id mail.ID) error {
	all, err := tags(tx, box, id)
	for key := range all {
		if err == nil {
			err = space.Delete(tx, tagKey(box, id)+key)
		}
	}
	return err
}
