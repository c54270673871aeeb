package api

// VerifyRequest is a mail whose identity header is checked.
type VerifyRequest struct {
	Source string `query:"source" json:"-" doc:"where keys come from; left out: https" enum:"https,dns,offline"`
	Mail   string `json:"mail" doc:"the whole mail in base64; or the body is the mail itself, as message/rfc822"`
	Key    string `json:"key,omitempty" doc:"key document, JWK set or PEM to use instead of what the domain publishes"`
}

// Verification says what an identity header is worth. Members may be added.
type Verification struct {
	Status      string          `json:"status" doc:"valid, valid-text, unbound, invalid or none"`
	Valid       bool            `json:"valid" doc:"true for valid and valid-text only"`
	Summary     string          `json:"summary" doc:"one sentence for people"`
	KeySource   string          `json:"key_source" doc:"https, dns, file or daemon; empty when no key was asked for"`
	Checks      []IdentityCheck `json:"checks" doc:"in the order in which they were made"`
	NotChecked  []string        `json:"not_checked" doc:"names of the checks that were not made"`
	Claims      *IdentityClaims `json:"claims" doc:"what the domain states; null unless the signature is good"`
	NotBound    []string        `json:"not_bound" doc:"header fields that anybody may have written or changed"`
	LookupError string          `json:"lookup_error" doc:"a look-up that failed: the status may be another later"`
}

// IdentityCheck is one question and its answer.
type IdentityCheck struct {
	Name   string `json:"name" doc:"what was looked at"`
	OK     bool   `json:"ok" doc:"whether it is as it must be"`
	Detail string `json:"detail" doc:"one line for people"`
}

// IdentityClaims are the claims of an identity header.
type IdentityClaims struct {
	AgentRef     string           `json:"agent_ref,omitempty" doc:"the agent at its identity provider, or an HMAC of it"`
	AIGenerated  bool             `json:"ai_generated" doc:"written by an AI agent"`
	Approval     IdentityApproval `json:"approval" doc:"on what grounds the mail left"`
	BodyHash     string           `json:"bh" doc:"hash of the body, as in DKIM"`
	Capabilities []string         `json:"capabilities" doc:"what the mailbox may do"`
	IssuedAt     int64            `json:"iat" doc:"Unix time of the release"`
	Issuer       string           `json:"iss" doc:"https origin of the sending domain"`
	ID           string           `json:"jti" doc:"id of the mail"`
	MessageID    string           `json:"mid,omitempty" doc:"hash of the Message-ID"`
	Operator     string           `json:"operator" doc:"who answers for it"`
	Mode         string           `json:"oversight_mode" doc:"when it was released"`
	Recipients   string           `json:"rh,omitempty" doc:"hash of To and Cc"`
	Service      string           `json:"service" doc:"multimail"`
	Subject      string           `json:"sub" doc:"the From address"`
	Content      string           `json:"th,omitempty" doc:"hash of texts and attachments"`
	Verified     bool             `json:"verified_operator" doc:"whether the domain was checked in DNS"`
}

// IdentityApproval says who let a mail go.
type IdentityApproval struct {
	At  int64  `json:"at" doc:"Unix time of the decision, or of the submission when nobody decided"`
	By  string `json:"by" doc:"human, reviewer, allowlist or none"`
	Ref string `json:"ref" doc:"beginning of the hash of the audit entry"`
}
