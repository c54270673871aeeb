package message

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// Whatever the nesting, no text is certainly shown that stands in a hidden or
// an unlisted element of the tree that browsers build.
func TestNoNestingUndoesAMark(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 40000 {
		source := randomPage(random, 2+random.IntN(14))
		root, err := html.ParseWithOptions(strings.NewReader(source), html.ParseOptionEnableScripting(false))
		if err != nil {
			t.Fatal(err)
		}
		hidden := map[string]bool{}
		collectHidden(root, false, hidden)
		renderHTML(source).eachSegment(func(kind SegmentKind, _, text string) {
			for _, word := range strings.Fields(text) {
				if in, ok := hidden[word]; kind == SegmentHTML && strings.HasPrefix(word, "w") && (in || !ok) {
					t.Errorf("%q is said to be shown in %s", word, source)
				}
			}
		})
		if t.Failed() {
			return
		}
	}
}

// collectHidden notes for every word in a tree whether something hides it.
func collectHidden(n *html.Node, hidden bool, words map[string]bool) {
	if n.Type == html.ElementNode {
		hidden = hidden || !certainElements[n.Data] || n.Data == "title" || n.Data == "style"
		for _, a := range n.Attr {
			hidden = hidden || a.Key == "hidden"
		}
	}
	if n.Type == html.TextNode {
		for _, word := range strings.Fields(n.Data) {
			words[word] = words[word] || hidden
		}
	}
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		collectHidden(c, hidden, words)
	}
}

var (
	treeElements = strings.Fields(
		"p div span b a i ul ol li dl dt dd table tr td th tbody thead caption colgroup col font h1 h6 pre " +
			"section center blockquote br hr img del sup form button ruby rt rb object marquee label canvas title style " +
			"textarea script " +
			"iframe svg math select option template noscript noframes frameset body html head x-own xmp details dialog o:p " +
			"input plaintext " +
			"nobr big small code address figure figcaption fieldset applet desc foreignObject mi mtext annotation-xml")
	commonElements = strings.Fields("p div span b a ul li dl dd table tr td tbody font h1 del form")
)

// randomPage writes n tags with words between them.
func randomPage(r *rand.Rand, n int) string {
	var b strings.Builder
	for i := range n {
		name := commonElements[r.IntN(len(commonElements))]
		if r.IntN(3) == 0 {
			name = treeElements[r.IntN(len(treeElements))]
		}
		switch r.IntN(5) {
		case 0:
			fmt.Fprintf(&b, "<%s hidden>", name)
		case 1, 2:
			fmt.Fprintf(&b, "<%s>", name)
		default:
			fmt.Fprintf(&b, "</%s>", name)
		}
		fmt.Fprintf(&b, " w%d ", i)
	}
	return b.String()
}
