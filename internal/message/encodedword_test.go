package message

import "testing"

func TestDecodeWords(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"plain", "hello =?= ?= =?", "hello =?= ?= =?"},
		{"Q", "=?iso-8859-1?q?Gr=FC=DFe?= to you", "Grüße to you"},
		{"B", "=?UTF-8?B?R3LDvMOfZQ==?=", "Grüße"},
		{"blanks between two words vanish", "=?utf-8?q?a?= \t=?utf-8?q?b?=", "ab"},
		{"blanks before text stay", "=?utf-8?q?a?= b =?utf-8?q?c?=", "a b c"},
		{"language tag", "=?utf-8*en?q?a?=", "a"},
		{"unknown charset is read as it stands", "=?x-none?q?a?=", "a"},
		{"broken base64 stays", "=?utf-8?b?!!?=", "=?utf-8?b?!!?="},
		{"unfinished ends with the line", "=?utf-8?q?abc", "abc"},
		{"old charset", "=?koi8-r?b?8NLJ18XU?=", "Привет"},
	} {
		if got := decodeWords(tt.in); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}
