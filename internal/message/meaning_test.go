package message

import (
	"fmt"
	"strings"
	"testing"

	"github.com/multimail/multimail/mail"
)

func TestWhatAReportMeansForARecipient(t *testing.T) {
	bob := mail.MustAddress("Bob@b.test")
	to := func(a, action, status string) Reported {
		r := Reported{Action: action, Status: status, Text: "said so"}
		if a != "" {
			r.Final = mail.MustAddress(a)
		}
		return r
	}
	delivery := func(list ...Reported) Report {
		return Report{Kind: Delivery, Recipients: list}
	}
	original := to("list@c.test", "failed", "5.1.1")
	original.Original = bob
	for _, tt := range []struct {
		name string
		r    Report
		want string
	}{
		{"nothing", Report{}, " soft"},
		{"a report of nobody", delivery(), " soft"},
		{"not there", delivery(to("bob@b.test", "failed", "5.1.1")), "failed hard 5.1.1 said so"},
		{"named as the original", delivery(original), "failed hard 5.1.1 said so"},
		{"full", delivery(to("bob@b.test", "failed", "5.2.2")), "failed soft 5.2.2 said so"},
		{"given up", delivery(to("bob@b.test", "failed", "4.4.7")), "failed soft 4.4.7 said so"},
		{"of no known reason", delivery(Reported{Action: "failed"}), "failed soft  unknown reason"},
		{"failed and yet a success", delivery(to("bob@b.test", "failed", "2.0.0")), " soft"},
		{"delayed", delivery(to("bob@b.test", "delayed", "4.4.1")), "delayed soft"},
		{"delivered", delivery(to("bob@b.test", "delivered", "2.0.0")), "delivered soft"},
		{"relayed", delivery(to("bob@b.test", "relayed", "2.0.0")), "relayed soft"},
		{"expanded", delivery(to("bob@b.test", "expanded", "2.0.0")), "delivered soft"},
		{"an action that is not", delivery(to("bob@b.test", "destroyed", "5.1.1")), " soft"},
		{"forwarded to another", delivery(to("robert@c.test", "failed", "5.1.1")), "failed hard 5.1.1 said so"},
		{"forwarded to two, one failed",
			delivery(to("a@c.test", "failed", "5.1.1"), to("b@c.test", "delivered", "2.0.0")), " soft"},
		{"forwarded to two, both failed", delivery(to("a@c.test", "failed", "5.1.1"), to("b@c.test", "failed", "5.2.2")),
			"failed soft 5.2.2 said so"},
		{"the recipient among others", delivery(to("a@c.test", "failed", "5.1.1"), to("BOB@b.test", "delayed", "4.0.0")),
			"delayed soft"},
		{"abuse", Report{Kind: Complaint, Feedback: "abuse"}, "complaint soft"},
		{"fraud", Report{Kind: Complaint, Feedback: "fraud"}, " soft"},
		{"not spam", Report{Kind: Complaint, Feedback: "not-spam"}, " soft"},
		{"a complaint of no type", Report{Kind: Complaint}, " soft"},
	} {
		v := tt.r.For(bob)
		kind := "soft"
		if v.Result.Hard() {
			kind = "hard"
		}
		got := fmt.Sprintf("%s %s %s %s", v.Action, kind, v.Result.Enhanced, v.Result.Message)
		if strings.TrimRight(got, " ") != strings.TrimRight(tt.want, " ") {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
		if v.Action == "failed" && v.Result.Addr != bob {
			t.Errorf("%s: about %s", tt.name, v.Result.Addr)
		}
	}
}
