// Package classify tells which of a set of labels a sentence belongs to, or
// that it belongs to none. It is trained from labelled example sentences in
// seconds, on one core, without a tokenizer, a model file or a network, and
// answers in tens of microseconds. It is pure: no I/O, no clock, and the same
// examples always give the same model.
//
// A sentence becomes two views: token n-grams (a token is a word of a script
// that writes spaces, or one Chinese character) and character n-grams inside
// the tokens, each weighted by sublinear TF-IDF and scaled to length one. Three
// models read them: a linear support vector machine, one label against the
// rest (squared hinge loss, dual coordinate descent: Hsieh et al., ICML 2008),
// and two networks with one hidden layer whose training sentences lose words
// at random (deep averaging: Iyyer et al., ACL 2015). Their scores are mixed
// on one probability scale, found on held-out sentences.
//
// Confidence and the threshold of rejection are fixed from the training
// examples alone, by folds that leave examples out: what scores does a right
// answer have, and under which score would eight in a thousand be lost?
package classify
