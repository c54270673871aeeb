package hook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// secretPrefix begins every secret (Standard Webhooks).
const secretPrefix = "whsec_"

// sign sets the headers of Standard Webhooks: the id, the time, and a signature of both with
// the body by each secret that is in force. A receiver takes any of them, so it can change to
// a new secret without losing a delivery.
func sign(header http.Header, s Subscription, id string, now time.Time, body []byte) {
	id, at := "msg_"+id, strconv.FormatInt(now.Unix(), 10)
	signatures := []string{signature(s.Secret, id, at, body)}
	if s.Before != "" && now.Before(s.BeforeEnd) {
		signatures = append(signatures, signature(s.Before, id, at, body))
	}
	header.Set("webhook-id", id)
	header.Set("webhook-timestamp", at)
	header.Set("webhook-signature", strings.Join(signatures, " "))
}

func signature(secret, id, at string, body []byte) string {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, secretPrefix))
	if err != nil {
		panic("hook: a secret of ours is not base64")
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(id + "." + at + "."))
	mac.Write(body)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}
