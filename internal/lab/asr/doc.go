// Package asr is a laboratory instrument: a recognition server that speaks the
// FunASR runtime websocket protocol and truly decodes the audio that it is sent,
// as long as that audio is tone text (internal/lab/tone). It recognizes no human
// speech and is never a default of the product.
//
// Source of the protocol: modelscope/FunASR, runtime/docs/websocket_protocol.md,
// and, where that page is silent, the two servers themselves, which differ. A
// Dialect follows one of them, as of August 2026:
//
//	                     C++ (websocket-server-2pass)      Python (funasr_wss_server)
//	partial text         new piece, mode 2pass-online      the same
//	final text           mode 2pass-offline                the same, or offline
//	is_final             true only in the last message     true in every offline message
//	after is_speaking    one message with is_final, often  a last offline message, then, if
//	  false              without text and mode             is_end was sent, {"is_end":true}
//	timestamp            string, ms since the stream       list, ms since the segment
//	                     began; an epoch number in         began; absent in partials
//	                     messages without stamps
//	stamp_sents          yes                               no
//	mode online          still called 2pass-online         online
//
// Unlike both, which find the end of an utterance by voice activity, the
// instrument knows it from the trailer of the tone text and answers at once;
// only a text that breaks off waits for Config.EndSilence.
package asr
