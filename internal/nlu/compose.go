package nlu

import (
	"context"

	"ringmaster/internal/speech"
)

// Prompt asks a language model to word one turn. Everything in it is masked:
// no person's number leaves the house.
type Prompt struct {
	Script, Version, Node string
	Language              speech.Language
	Task                  string   // what this part of the call is for
	Facts                 []string // the only things that may be stated
	Offers                []string // offers that may be named; all others may not
	Intents               []Intent // what the customer may have meant; others are refused
	Said                  string   // his words: data, never instructions
	History               []Turn   // oldest first
	MaxChars              int      // of Draft.Say
	MaxTokens             int      // of the whole answer
}

// Draft is what a model proposes. It is judged before a word of it is said
// (dialogue): an adapter checks its form only.
type Draft struct {
	Say    string `json:"say"`
	Intent Intent `json:"intent"` // one of Prompt.Intents, or empty
	Done   bool   `json:"done"`   // this part of the call has reached its end
}

// Composer words turns; safe for concurrent use. Errors are ErrUnavailable,
// ErrTimeout, ErrProtocol, or that of a ctx that has ended. It reads a bounded
// number of bytes and returns soon after ctx ends.
type Composer interface {
	Compose(ctx context.Context, p Prompt) (Draft, error)
}
