// Package openai is a speech.Synthesizer behind the OpenAI-compatible speech
// endpoint, POST {base}/audio/speech: OpenAI itself and the many servers that
// offer the same (self-hosted CosyVoice, Kokoro, Fish Speech and others).
//
// The request asks for response_format pcm: 16-bit little-endian mono samples
// without a header, 24 kHz unless Config.Rate says otherwise, sent in chunks as
// they are made. They are resampled and given out as they come, so the first
// sound does not wait for the last. Servers that answer with a WAV file in
// spite of the request are understood by its header; anything else that is not
// samples (JSON, MP3, Ogg, HTML) is ErrProtocol.
//
// There are no marks: the endpoint tells no times.
package openai
