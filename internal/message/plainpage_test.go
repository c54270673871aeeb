package message

import (
	"strings"
	"testing"
)

// Each page shows something else than the text, or does so in some program.
func TestTextNeverStandsForAPageThatMayShowSomethingElse(t *testing.T) {
	for name, page := range map[string]string{
		"a sign": "<p>Do not pay -500 now", "a plus": "<p>Do not pay +500 now", "a relation": "<p>Do not pay &lt;500 now",
		"a point": "<p>Do not pay 5.00 now", "quotes": "<p>Do not pay \"500\" now", "joined words": "<p>Donot pay 500 now",
		"parted words": "<p>Do not pay 5<br>00 now", "a missing word": "<p>Do pay 500 now",
		"another order": "<p>pay Do not 500 now",
		"struck out":    "<p>Do <del>not</del> pay 500 now", "struck": "<p>Do <s>not</s> pay 500 now",
		"inserted":    "<p>Do <ins>not</ins> pay 500 now",
		"superscript": "<p>Do not pay 5<sup>00</sup> now", "subscript": "<p>Do not pay 5<sub>00</sub> now",
		"direction": "<p dir=rtl>Do not pay 500 now", "override": "<bdo dir=rtl>Do not pay 500 now</bdo>",
		"bidi style": "<p style='unicode-bidi:bidi-override;direction:rtl'>Do not pay 500 now",
		"a class":    "<p class=x>Do not pay 500 now", "a data attribute": "<p data-x=secret>Do not pay 500 now",
		"a style sheet": "<style>p{}</style><p>Do not pay 500 now",
		"a linked one":  "<link rel=stylesheet href=x><p>Do not pay 500 now",
		"srcdoc":        "<iframe srcdoc='pay'></iframe><p>Do not pay 500 now", "popover": "<p popover>Do not pay 500 now",
		"clip-path": "<p style='clip-path:inset(100%)'>Do not pay 500 now",
		"filter":    "<p style='filter:opacity(0)'>Do not pay 500 now",
		"zoom":      "<p style='zoom:0'>Do not pay 500 now", "calc": "<p style='font-size:calc(0px)'>Do not pay 500 now",
		"variables": "<p style='--x:0;font-size:var(--x)'>Do not pay 500 now",
		"a link":    "<a href=http://x.test>Do not pay 500 now</a>",
		"an image":  "<p>Do not pay 500 now<img src=http://x.test>", "an instruction": "<?x?><p>Do not pay 500 now",
		"a numbered list": "<ol><li>Do not pay 500 now</ol>", "a table": "<table>Do <tr><td>not pay 500 now</table>",
	} {
		if r := NewReview(alternatives("Do not pay 500 now", page)); !r.Differ || !strings.Contains(pageSaid(r), "00") {
			t.Errorf("%s: differ %v, page %q", name, r.Differ, pageSaid(r))
		}
	}
	for _, element := range strings.Fields(
		"canvas audio video dialog details object select map svg math ruby template slot x-own " +
			"noscript noembed noframes iframe button textarea title xmp plaintext marquee progress meter " +
			"fieldset legend div span font") {
		page := "<p>Do <" + element + ">not</" + element + "> pay 500 now"
		if r := NewReview(alternatives("Do not pay 500 now", page)); !r.Differ || len(r.Segments) < 2 {
			t.Errorf("%s: differ %v, %+v", element, r.Differ, r.Segments)
		}
	}
}

func TestWordsBehindALinkAreCompared(t *testing.T) {
	for _, blank := range []string{" ", "\u00a0", "\u3000", "\u2028", "\u2003", "\u200b", "."} {
		r := NewReview(alternatives("see https://x.test/a", "<p>see https://x.test/a"+blank+"and-pay-500</p>"))
		if !r.Differ || r.HTML() == "" {
			t.Errorf("%q: differ %v, HTML %q", blank, r.Differ, r.HTML())
		}
	}
}

// A text that programs lay out or decode in more than one way stands for nothing.
func TestOnlyPlainSoundTextStandsForAPage(t *testing.T) {
	for kind, text := range map[string]string{
		"text/calendar": "a b", "text/enriched": "a b", "text/plain; format=flowed; delsp=yes": "a b",
		"text/plain; charset=utf-8": "a b \xff",
	} {
		raw := mailWith("Content-Type: multipart/alternative; boundary=b\n\n--b\nContent-Type: " + kind + "\n\n" + text +
			"\n--b\nContent-Type: text/html; charset=utf-8\n\n<p>" + text + "\n--b--\n")
		if r := NewReview(raw); !r.Differ || r.HTML() == "" {
			t.Errorf("%s: differ %v, %+v", kind, r.Differ, r.Segments)
		}
	}
}

// Markdown that other renderers drop or turn into something else.
func TestOurComposerShowsWhatOthersDrop(t *testing.T) {
	for _, s := range []string{
		"a <b and c> d", "<b>raw</b> <script>x</script>", "<!-- comment -->", "<div>\nblock\n</div>", "<?php x ?>",
		"<![CDATA[x]]>", "[x]: http://x.test 'title'", "[1]: /pay-1000\n\n[ref][1]", "- [x] done\n- [ ] todo", "Title\n===",
	} {
		page, err := renderMarkdown(s)
		if err != nil {
			t.Fatal(err)
		}
		words := strings.NewReplacer("- [", "[").Replace(s) // the mark of a list item
		if got := renderHTML(page).words.String(); !sameWords(words, got) {
			t.Errorf("%q is shown as %q", s, got)
		}
	}
}

// A tag that does not end hides words from some programs and shows them in
// others: such a page is no plain one.
func TestAPageWithAnUnfinishedTagIsNotPlain(t *testing.T) {
	if standsFor("Hello\n", "<p>Hello</p><b Pay 500 EUR") {
		t.Error("words in a tag that does not end are left out")
	}
}
