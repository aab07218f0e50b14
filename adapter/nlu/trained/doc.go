// Package trained is the embedded understander that learns: a classifier for
// each script version, trained on the script's own examples and on shared ones
// for what people say on any call, beside keywords, which answer alone until
// the model is ready and keep their word where they are firm.
package trained
