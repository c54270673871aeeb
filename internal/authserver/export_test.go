package authserver

// Space is where the records stand.
var Space = space

// MatchRedirect is matchRedirect.
var MatchRedirect = matchRedirect
