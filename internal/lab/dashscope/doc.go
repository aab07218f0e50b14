// Package dashscope is an instrument: a server that speaks the documented
// websocket protocol of Alibaba Cloud Model Studio for streaming speech
// synthesis and says every text in the tone alphabet (internal/lab/tone). It is
// strict: a client that breaks the protocol gets task-failed with the reason.
// What it shows of a client holds for the protocol as it is documented, not for
// the vendor's voices.
package dashscope
