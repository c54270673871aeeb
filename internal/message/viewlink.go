package message

import (
	"github.com/multimail/multimail/mail"
)

// link lists links of e, or of the header for nil. One that was listed without
// a text takes that of another to the same target.
func (v *viewer) link(e *entity, links []Link) {
	for _, l := range links {
		raw := l
		l = Link{Target: displayLink(raw.Target), Text: mail.NeutralLine(raw.Text), Why: raw.Why}
		if l.Text == l.Target {
			l.Text = ""
		}
		key := l.Target + "\x00" + l.Text + "\x00" + l.Why
		bare := v.seen[l.Target]
		if l.Target == "" && l.Text == "" || v.seen[key] > 0 || bare > 0 && l.Text == "" && l.Why == "" {
			continue
		}
		if l.Why == "" {
			l.Why = mail.NeutralLine(checkLink(raw.Target, raw.Text))
		}
		if !v.afford(nil, l.size()) {
			return
		}
		if bare > 0 && v.review.Links[bare-1].Text == "" && v.review.Links[bare-1].Why == l.Why {
			v.review.Links[bare-1].Text = l.Text
			v.seen[key] = bare
			continue
		}
		v.review.Links = append(v.review.Links, l)
		n := len(v.review.Links)
		if v.seen[key] = n; bare == 0 {
			v.seen[l.Target] = n
		}
		if part := ""; l.Why != "" {
			if e != nil {
				part = partPath(e)
			}
			v.warn.Add(WarnLink, part, "a link to %s: %s", cutText(l.Target, 100), l.Why)
		}
	}
}
