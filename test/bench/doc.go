// Package bench measures what durable submission costs: MultiMail as its doors
// and packages stand in the daemon, beside a server that speaks the same protocol
// and keeps nothing. Both run in this process, in turns, so that a busy machine
// slows both; the ratio says more than either rate.
//
//	go test -run '^$' -bench . -benchtime 2s ./test/bench
//
// The store syncs every commit: the directory for temporary files must be on a
// disk, not in memory, for the rates to mean anything (TMPDIR).
package bench
