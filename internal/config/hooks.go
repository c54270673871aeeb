package config

// hookSettings are the keys of Hooks. What is wrong with a target is said where targets are read.
var hookSettings = []Setting{
	{"hooks.allow_targets", "hosts, addresses", `[]`,
		"Host names, addresses, and ranges such as 10.1.0.0/16 that a webhook may reach though they are not of the " +
			"Internet, at any port and over http too. Empty: public hosts over https at port 443 alone.", ""},
}
