// Package search finds mail by its words: by subject, people and text.
//
// The index is one SQLite file (FTS5) beside the store. It is never the truth:
// every change of what a mailbox may see is noted in the store, in the
// transaction that makes it ([Note]), and [Index.Run] brings the index to what
// the ledger says by then. Nobody needs the file: where it is missing, damaged or
// of another version, Run makes it anew from the ledger, and meanwhile
// [Index.Search] says that it is being built.
//
//	search-todo/<id>   the standing of this mail has changed; see [Note]
//
// A search returns ids. Whether a mail may be seen is for the ledger to say, when
// the answer is made: the index follows it, and may be late.
//
// words.go makes words of text, query.go an expression of a query, and find.go
// searches. file.go keeps the file, index.go writes it, clean.go removes many
// mails, todo.go holds the list of work, and worker.go does that work.
package search
