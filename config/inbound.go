package config

import "strings"

// Inbound are calls that come in: somebody calls one of our numbers.
type Inbound struct {
	// Disabled: every one is refused at once.
	Disabled bool `yaml:"disabled"`
	// Lines is how many are taken at once. Each also takes a line of its trunk.
	Lines int `yaml:"lines"`
	// Script answers callers whom we had not called from the number that they
	// call; empty = a polite line and good-bye. Who was called gets the script of
	// that call, with its history.
	Script string `yaml:"script"`
	// Fallback is what the exchange itself does with them while we are away: the
	// dialplan of `ringmaster dialplan render` has it.
	Fallback Fallback `yaml:"fallback"`
}

// Fallback is a menu of keys.
type Fallback struct {
	Sound string            `yaml:"sound"` // of the exchange; names the keys; empty = a dial tone
	Keys  map[string]string `yaml:"keys"`  // digit to queue; empty = 0 to the first queue
}

func defaultInbound() Inbound { return Inbound{Lines: 10} }

func (i Inbound) check(k *checker) {
	k.must(i.Lines >= 1 && i.Lines <= 10000, "inbound.lines", "1 to 10000: how many calls that come in are taken at once")
	for digit, queue := range i.Fallback.Keys {
		k.must(len(digit) == 1 && strings.Contains("0123456789", digit) && name.MatchString(queue), "inbound.fallback.keys", "a digit and the name of a queue, such as \"0\": support")
	}
	k.must(i.Script == "" || intentName.MatchString(i.Script), "inbound.script", "the id of a script, or leave it out")
}
