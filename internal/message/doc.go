// Package message reads and writes messages (RFC 5322, MIME) and makes what an
// approver is shown of one. It is the only package that parses them.
//
//	msg, err := message.Read(raw, message.ReadOptions{ID: id, Now: now, Host: "example.test"})
//	review := message.NewReview(msg.Raw)
//
// Nothing is repaired: what two mail programs could read in two ways is refused
// by [Read] or, where mail is full of it, shown in every reading and marked.
// Every pass costs time and memory in proportion to the size of the message.
//
// The files, in the order in which a message passes them:
//
// A draft is written: compose.go, what it keeps of an
// earlier one by earlier.go, its header by fold.go and messageid.go, its
// text by markdown.go. faithful.go and faithfulmarkup.go check that the page
// says what is written. fromname.go and filename.go refuse names before they are
// used. reply.go makes what an answer says of the mail that it answers.
//
// The bytes are read at the door: read.go, with header.go (fields and limits),
// strip.go (fields that an agent may not set), addressfield.go, messageid.go and
// date.go.
// mime.go cuts the MIME tree within budget.go; param.go and paramvalue.go read
// parameters, partname.go the names of files, encodedword.go encoded-words,
// transfer.go and charset.go what a part holds. texthash.go and bodyhash.go hash
// what was read. content.go gives an agent its own mail back.
//
// A stranger's bytes are read by incoming.go, which refuses nothing: lenient.go
// brings them into the form that the others cut, author.go and conversation.go
// read what only strangers write in such ways. rawfield.go gives their fields, as they
// stand in the bytes, to those who judge where a mail is from; organization.go says
// which domains belong to one owner, recipientnames.go how recipients are called.
//
// The approver is shown a [Review]: review.go says what is in it, viewer.go walks
// the tree. viewheader.go and viewfield.go show fields, viewpart.go parts and
// their text, viewreading.go and viewlayout.go what other programs make of it,
// viewlink.go the links, which link.go finds. linkcheck.go and lookalike.go find
// links and names that mislead, viewdiffer.go and plainpage.go whether text and
// HTML say the same. segment.go and warning.go define what the view consists of;
// viewbudget.go bounds it.
//
// HTML is shown as text: htmlpage.go walks the tags and marks what is not
// certainly shown, by the lists of elements (htmlelement.go), attributes
// (htmlattribute.go), styles (htmlstyle.go, htmlcolour.go) and style sheets
// (htmlsheet.go). htmlflow.go lays the text out, htmllink.go takes out the links.
//
// An agent gets a [Reading] of what a stranger wrote: reading.go, with readtext.go
// for charsets and files in running text. role.go tells text from files,
// attachment.go lists these, safename.go names them.
// A page is cut as the approver's is (tokens.go), and read in the tree that browsers
// build (sighttree.go): sight.go walks it,
// with sightpaint.go for what elements and attributes do, sightmarkdown.go for what
// is written and sightremote.go for what would be fetched. Styles are cut by
// csstoken.go, and read by cssrules.go with cssselect.go and cssmedia.go. Which
// properties hide nothing is in cssproperty.go; what one element is set to is
// gathered in cssstyle.go from values that cssvalue.go, csscolour.go and
// cssbackground.go read. csslook.go judges letters by it, csspaint.go colours and
// cssplace.go where they stand.
//
// The operator is told of a webhook that was switched off by hooknotice.go, and the mail
// that brings the operator a code is written by code.go.
//
// A delivery status notification is written, and read back, by notice.go. What other
// servers report, such notifications and complaints, is read by report.go, and what it
// means by meaning.go.
//
// A mail leaves: received.go writes the trace field, as trace.go does for one that
// came in, header.go and bodyhash.go give signers what they sign, and check.go tells a
// verifier whether a message
// is read in one way. contenthash.go hashes what it says in whatever form, by
// stricter rules than all of the above: contentmime.go cuts it, contenttext.go
// decodes texts, contenthtml.go and contentreference.go take them out of pages.
// strictlist.go reads the recipients that a token names.
package message
