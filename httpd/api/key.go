package api

import (
	"errors"
	"net/http"
	"strings"
)

// PresentedKey returns the API key in the header fields of a request, as
// Authorization: Bearer KEY, Authorization: KEY or X-API-Key: KEY; "" for none.
// Two that differ could be read as either, and are an error.
func PresentedKey(h http.Header) (string, error) {
	var keys []string
	for _, v := range h.Values("Authorization") {
		scheme, rest, ok := strings.Cut(v, " ")
		switch {
		case !ok:
			keys = append(keys, v)
		case strings.EqualFold(scheme, "Bearer"):
			keys = append(keys, strings.TrimSpace(rest))
		default:
			return "", errors.New("only API keys are known here: Authorization: Bearer KEY")
		}
	}
	keys = append(keys, h.Values("X-API-Key")...)
	if len(keys) == 0 {
		return "", nil
	}
	for _, k := range keys {
		if k == "" || k != keys[0] {
			return "", errors.New("the request has more than one API key, or an empty one")
		}
	}
	return keys[0], nil
}
