package mail

import (
	"strings"
	"testing"
)

func TestPageIsRenderedAsTheTextABrowserWouldShow(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"white space collapses", "a  b\r\n\tc", "a b c"},
		{"paragraphs and line breaks", "<p>a<p>b<br>c<div>d</div>e", "a\n\nb\nc\nd\ne"},
		{"inline elements do not part words", "<b>a</b>b<i>c</i>", "abc"},
		{"lists and cells", "<ul><li>a<li>b</ul><table><tr><td>1<td>2<tr><td>3</table>", "- a\n- b\n\n1 2\n3"},
		{"entities", "a &amp; b &#x202e;&lt;c&gt;", "a & b \u202e<c>"},
		{"link targets", `<a href="http://x.test/">x</a> <a href=http://y.test>http://y.test</a>`, "x <http://x.test/> http://y.test"},
		{"an unclosed tag is no text", "a<b", "a"},
		{"a stray bracket is text", "1 < 2 > 0", "1 < 2 > 0"},
		{"noscript is shown, as mail programs run no script", "<noscript>a <b>b</b></noscript>", "a b"},
		{"plaintext", "<plaintext>a</plaintext><b>", "a</plaintext><b>"},
		{"textarea", "<textarea><b>x</b></textarea>", "<b>x</b>"},
	} {
		if got := renderHTML(tt.in).out.b.String(); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestWhatABrowserHidesIsShownWithAMark(t *testing.T) {
	for _, in := range []string{
		`<p hidden>secret</p>`, `<P HIDDEN="">secret</P>`, `<template>secret</template>`,
		`<p style="display:none">secret</p>`, `<p style="DISPLAY :  NONE !important;">secret</p>`,
		`<p style="display:/**/none">secret</p>`, `<p style="color:red;/*;*/display:none">secret</p>`,
		`<p style="display&#58;none">secret</p>`, `<p style="d\69splay:none">secret</p>`,
		`<p style="visibility:hidden">secret</p>`, `<p style="visibility:collapse">secret</p>`,
		`<p style="font-size:0">secret</p>`, `<p style="font-size:0px">secret</p>`, `<p style="font-size:1px">secret</p>`,
		`<p style="font-size:.01em">secret</p>`, `<p style="font-size:0%">secret</p>`,
		`<p style="opacity:0">secret</p>`, `<p style="mso-hide:all">secret</p>`,
		`<p style="max-height:0;overflow:hidden">secret</p>`, `<p style="width:1px;height:1px;overflow:hidden">secret</p>`,
		`<p style="text-indent:-9999px">secret</p>`, `<p style="position:absolute;left:-5000px">secret</p>`,
		`<p style="color:transparent">secret</p>`, `<p style="color:#123;background-color:#123">secret</p>`,
		`<p style="color:#FFF">secret</p>`, `<font color=white>secret</font>`, `<p style="clip:rect(0,0,0,0)">secret</p>`,
		`<div style="display:none"><div>a</div>secret</div>`, `<div hidden><p>secret`,
		`<!-- secret -->`, `<!--[if mso]><p>secret</p><![endif]-->`, `<script>secret</script>`, `<iframe>secret</iframe>`,
		`<title>secret</title>`, `<style>p:before{content:"secret"}</style>`, `<img alt=secret>`, `<p title="secret">x</p>`,
		`<input type=hidden value=secret>`, `<!DOCTYPE secret>`, `<svg><title>secret</title></svg>`,
		`<noscript><noscript>secret</noscript>`, `<noscript><iframe><noscript><p hidden>secret`,
	} {
		p := renderHTML("<p>open</p>" + in)
		got := p.out.b.String()
		at, mark := strings.Index(got, "secret"), strings.Index(got, "[")
		if at < 0 || mark < 0 || mark > at || !p.marked {
			t.Errorf("%s: rendered as %q, marked %v", in, got, p.marked)
		}
	}
}

func TestWhatABrowserShowsIsNotMarked(t *testing.T) {
	for _, in := range []string{
		`<p>secret</p>`, `<p style="display:block;font-size:12px;opacity:1">secret</p>`,
		`<p style="font-size:1em;line-height:0.9em;width:0">secret</p>`, `<p style="max-width:600px;overflow:hidden">secret</p>`,
		`<p hidden>x</p>secret`, `<div hidden><div>x</div></div>secret`, `<br hidden>secret`,
		`<td bgcolor="#003366"><font color="#ffffff">secret</font></td>`, `<p style="color:#fff;background:#036">secret</p>`,
		`<p style="margin-left:-5px">secret</p>`, `<!--[if !mso]><!-->secret<!--<![endif]-->`,
	} {
		got := renderHTML(in).out.b.String()
		at, open := strings.Index(got, "secret"), strings.Count(got[:max(strings.Index(got, "secret"), 0)], "[")
		if at < 0 || open != strings.Count(got[:at], "]") {
			t.Errorf("%s: rendered as %q", in, got)
		}
	}
}
