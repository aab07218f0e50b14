// Package funasr is a speech.Recognizer for the FunASR runtime websocket
// protocol (modelscope/FunASR, runtime/docs/websocket_protocol.md): one
// connection a call, a JSON configuration, 16 kHz 16-bit PCM in messages of
// 60*chunk/interval milliseconds (the Python server counts messages, not
// bytes), JSON results.
//
// Both of the vendor's servers are understood, by what they send and not by
// their documentation:
//
//   - is_final means the end of the stream on the C++ server, nothing on the
//     Python ones (true in every offline message, or inverted before 2026); the
//     end is an is_end acknowledgement, a C++ message with is_final after the end
//     of input, or, from older servers, silence of Config.Drain;
//   - online messages carry the new piece of text only; they are joined, and the
//     offline text replaces them;
//   - times in a string count from the beginning of the stream (C++), in a list
//     from the beginning of a segment whose place is not told (Python): the
//     latter are laid where the adapter heard sound begin;
//   - a numeric timestamp is the server's wall clock and says nothing.
//
// The protocol has no field for RecognizeOptions.EndSilence: it is the server's
// own voice activity detector that ends an utterance (800 ms by default on both).
package funasr
