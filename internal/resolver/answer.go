package resolver

import (
	"errors"
	"fmt"
	"strings"

	"github.com/miekg/dns"
)

// read returns the records that answer the question, ErrNone, or why the answer
// cannot be used.
func read(answer *dns.Msg, q dns.Question) ([]dns.RR, error) {
	switch {
	case !answer.Response || answer.Truncated:
		return nil, errors.New("the answer is not whole")
	case len(answer.Question) != 1 || !same(answer.Question[0], q):
		return nil, errors.New("the answer is to another question")
	}
	switch answer.Rcode {
	case dns.RcodeSuccess, dns.RcodeNameError:
	default:
		return nil, fmt.Errorf("the server answers %s", dns.RcodeToString[answer.Rcode])
	}
	records, err := follow(answer.Answer, q)
	if err != nil || len(records) > 0 {
		return records, err
	}
	if !answer.Authoritative && !answer.RecursionAvailable {
		return nil, errors.New("the server only names other servers; use one that resolves")
	}
	return nil, ErrNone
}

// same compares questions; names differ in nothing but case (RFC 4343).
func same(a, b dns.Question) bool {
	return strings.EqualFold(a.Name, b.Name) && a.Qtype == b.Qtype && a.Qclass == b.Qclass
}

// follow returns the records of the type at the end of the chain of CNAMEs that
// begins with the name of the question.
func follow(answer []dns.RR, q dns.Question) ([]dns.RR, error) {
	name := q.Name
	for range maxCNAMEs + 1 {
		var found []dns.RR
		next := ""
		for _, rr := range answer {
			h := rr.Header()
			if !strings.EqualFold(h.Name, name) || h.Class != q.Qclass {
				continue
			}
			switch cname, ok := rr.(*dns.CNAME); {
			case h.Rrtype == q.Qtype:
				found = append(found, rr)
			case ok:
				next = cname.Target
			}
		}
		if len(found) > 0 || next == "" {
			return found, nil
		}
		name = next
	}
	return nil, errors.New("the name is an alias of an alias and so on; end the loop")
}

// plain undoes how the library writes octets that are not printable, quotes and
// backslashes (RFC 1035, 5.1).
func plain(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		if i+3 < len(s) && digits(s[i+1:i+4]) {
			b.WriteByte((s[i+1]-'0')*100 + (s[i+2]-'0')*10 + s[i+3] - '0')
			i += 3
			continue
		}
		i++
		b.WriteByte(s[i])
	}
	return b.String()
}

func digits(s string) bool { return strings.Trim(s, "0123456789") == "" }
