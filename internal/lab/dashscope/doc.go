// Package dashscope is an instrument: a server that speaks the documented
// websocket protocol of Alibaba Cloud Model Studio. Streaming synthesis
// (CosyVoice) says every text in the tone alphabet (internal/lab/tone);
// streaming recognition (Paraformer: the pages paraformer-client-events and
// paraformer-server-events) truly decodes that alphabet, so that a whole call can
// run with it, and hears no people. It is strict: a client that breaks the
// protocol gets task-failed with the reason.
//
// What it shows of a client holds for the protocol as it is documented, not for
// the vendor's voices and ears. The vendor's own published client talks to it
// (testdata/README.md).
package dashscope
