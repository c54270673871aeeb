package zone

import (
	"slices"
	"strconv"
	"strings"
)

// compare says what the texts of a name mean for one of the records that it
// should have. It parses what it compares: order, blanks and further tags are no
// difference.
func compare(r Record, set []Record, texts []string) (Status, []string, string) {
	switch r.Purpose {
	case Ownership:
		return compareChallenge(r, texts)
	case Identity:
		return compareIdentity(r, set, texts)
	case SPF, BounceSPF:
		return compareSPF(r, texts)
	case DKIM:
		return compareDKIM(r, texts)
	case DMARC:
		return compareVersion(r, texts, "DMARC1", asStrict)
	case MTASTS:
		return compareVersion(r, texts, "STSv1", func(ours, theirs map[string]string) string {
			if ours["id"] == theirs["id"] {
				return ""
			}
			return "set id to that of the policy of now, or other servers keep the old one"
		})
	case TLSRPT:
		return compareVersion(r, texts, "TLSRPTv1", func(_, theirs map[string]string) string {
			if theirs["rua"] != "" {
				return ""
			}
			return "name who gets the reports in rua"
		})
	}
	return compareMX(r, texts)
}

// compareChallenge: several installations may send for a domain, each with a
// record of its own.
func compareChallenge(r Record, texts []string) (Status, []string, string) {
	for _, t := range texts {
		if strings.TrimSpace(t) == r.Value {
			return Present, nil, ""
		}
	}
	return other(texts, func(t string) bool { return strings.HasPrefix(t, challengePrefix) },
		"add this value; the ones that are there are of other installations")
}

// other: nothing fits. What is of the same kind makes it different.
func other(texts []string, akin func(string) bool, do string) (Status, []string, string) {
	found := slices.DeleteFunc(slices.Clone(texts), func(t string) bool { return !akin(t) })
	if len(found) == 0 {
		return Missing, nil, "publish it"
	}
	return Different, found, do
}

// compareIdentity: each identity record there must be of a key of ours, or a
// stranger's key would be as good as ours to whoever asks the DNS.
func compareIdentity(r Record, set []Record, texts []string) (Status, []string, string) {
	var found, foreign []string
	here := false
	for _, t := range texts {
		if !strings.Contains(t, "MMID1") { // of another kind; what names the version must be well-formed
			continue
		}
		found = append(found, t)
		known := slices.IndexFunc(set, func(s Record) bool { return sameKey(s.Value, t) })
		if known < 0 {
			foreign = append(foreign, t)
		}
		here = here || sameKey(r.Value, t)
	}
	switch {
	case here && len(foreign) == 0:
		return Present, nil, ""
	case here:
		return Different, foreign, "remove the record that is not ours: it vouches for a key that does not sign here"
	case len(found) > 0:
		return Different, found, "publish the key that signs here"
	}
	return Missing, nil, "publish it"
}

// sameKey compares identity records by their tags.
func sameKey(ours, theirs string) bool {
	a, err := tags(ours)
	b, err2 := tags(theirs)
	return err == nil && err2 == nil && claims(theirs, "MMID1") && b["kid"] == a["kid"] && b["alg"] == a["alg"] &&
		squeeze(b["p"]) == squeeze(a["p"])
}

// compareSPF: there is one record, and it lets our way out pass before it ends.
// An include is not followed: whoever is named there is named by us.
func compareSPF(r Record, texts []string) (Status, []string, string) {
	found := slices.DeleteFunc(slices.Clone(texts), func(t string) bool {
		return !strings.EqualFold(t, "v=spf1") && !strings.HasPrefix(strings.ToLower(t), "v=spf1 ")
	})
	switch len(found) {
	case 0:
		return Missing, nil, "publish it"
	case 1:
	default:
		return Different, found, "make one record of them: with several, SPF fails (RFC 7208, 4.5)"
	}
	passes := map[string]bool{}
	for _, term := range strings.Fields(strings.ToLower(found[0]))[1:] {
		if strings.TrimLeft(term, "+-~?") == "all" {
			break
		}
		passes[strings.TrimPrefix(term, "+")] = true
	}
	var missing []string
	for _, term := range strings.Fields(strings.ToLower(r.Value))[1:] {
		if term != "~all" && !passes[strings.TrimPrefix(term, "+")] {
			missing = append(missing, term)
		}
	}
	if len(missing) > 0 {
		return Different, found, "add to your record, before all: " + strings.Join(missing, " ")
	}
	return Present, nil, ""
}

// compareDKIM: the record has our key, and nothing that keeps it from being used.
func compareDKIM(r Record, texts []string) (Status, []string, string) {
	found := slices.DeleteFunc(slices.Clone(texts), func(t string) bool { return !strings.Contains(t, "p=") })
	switch len(found) {
	case 0:
		return Missing, nil, "publish it"
	case 1:
	default:
		return Different, found, "leave one record of them: with several, verifiers may choose the wrong one"
	}
	ours, _ := tags(r.Value)
	theirs, err := tags(found[0])
	list := func(tag, must string) bool {
		v, there := theirs[tag]
		return !there || v == "*" || slices.ContainsFunc(strings.Split(v, ":"), func(s string) bool {
			return strings.TrimSpace(s) == must
		})
	}
	typ := func(t map[string]string) string {
		if t["k"] == "" {
			return "rsa" // RFC 6376, 3.6.1
		}
		return t["k"]
	}
	version, hasVersion := theirs["v"]
	switch {
	case err != nil || hasVersion && version != "DKIM1":
		return Different, found, "this is no DKIM record; publish ours"
	case typ(theirs) != typ(ours) || squeeze(theirs["p"]) != squeeze(ours["p"]):
		return Different, found, "publish the key that signs here"
	case !list("h", "sha256") || !list("s", "email"):
		return Different, found, "the tags h and s keep this key from signing mail with sha256; take them away"
	}
	return Present, nil, ""
}

// compareVersion: there is one record of the version, and nothing is wrong with
// its tags.
func compareVersion(
	r Record, texts []string, version string, wrong func(ours, theirs map[string]string) string,
) (Status, []string, string) {
	found := slices.DeleteFunc(slices.Clone(texts), func(t string) bool { return !claims(t, version) })
	switch len(found) {
	case 0:
		return Missing, nil, "publish it"
	case 1:
	default:
		return Different, found, "leave one record of them: with several, none counts"
	}
	ours, _ := tags(r.Value)
	theirs, err := tags(found[0])
	if err != nil {
		return Different, found, "a tag is malformed or stands twice"
	}
	if do := wrong(ours, theirs); do != "" {
		return Different, found, do
	}
	return Present, nil, ""
}

// asStrict says what of a DMARC record is laxer than ours; stricter is fine.
func asStrict(ours, theirs map[string]string) string {
	order := []string{"none", "quarantine", "reject"}
	rank := func(t map[string]string) int { return slices.Index(order, strings.ToLower(t["p"])) }
	if rank(theirs) < rank(ours) {
		return "set p to " + ours["p"] + " or stricter"
	}
	if pct, there := theirs["pct"]; there {
		if n, err := strconv.Atoi(pct); err != nil || n < 100 {
			return "apply the policy to all mail: take pct away"
		}
	}
	return ""
}

// compareMX: our host is one of those that take mail. The preference is the
// operator's choice.
func compareMX(r Record, texts []string) (Status, []string, string) {
	_, host, _ := strings.Cut(r.Value, " ")
	for _, t := range texts {
		if _, theirs, _ := strings.Cut(t, " "); theirs == host {
			return Present, nil, ""
		}
	}
	return Different, texts, "add this host, or take it out of dns.mx if it takes no mail for the domain"
}
