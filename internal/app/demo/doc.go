// Package demo runs the whole controller against scripted callees on this
// machine: the exchange twins, Asterisk over its real ARI socket, FreeSWITCH over
// its event socket with SIP and RTP, or both by one fleet; or a real Asterisk 22
// with SIP phones. The callees speak the laboratory's tone alphabet, and the
// laboratory's recognition server hears it: instruments that prove the path,
// and never a product's default.
package demo
