// Package dashscope is a speech.Synthesizer and a speech.Recognizer for Alibaba
// Cloud Model Studio (百炼, DashScope): streaming CosyVoice and streaming
// Paraformer over their documented websocket protocol (help.aliyun.com/zh/model-studio:
// cosyvoice-websocket-api with cosyvoice-client-events and cosyvoice-server-events,
// websocket-for-paraformer-real-time-service with paraformer-client-events and
// paraformer-server-events).
//
// One task over one connection: the client sends run-task with an ID of its own
// and waits for task-started, then sends the text (continue-task) or the audio
// (binary messages of 100 ms) and the end of it (finish-task). The server answers
// with result-generated events, for a synthesis with binary messages that are
// pieces of one stream of samples, and at last with task-finished or task-failed.
// Connections are not used again.
//
// Recognition: a partial has the whole sentence so far, a final closes it
// (sentence_end, or in older answers an end_time); times count from the task's
// first sample. A heartbeat event says that sound was heard and no speech.
// Hotwords are lists that were made beforehand (vocabulary_id); those of a call
// cannot be sent.
//
// Synthesis: samples are asked for at the rate of the utterance where the service offers it
// (8, 16, 22.05, 24, 44.1 and 48 kHz), so nothing is resampled on a call.
//
// There are no marks: word times are only offered for some voices. Pauses and
// readings of an utterance are sent as SSML where Config.SSML says so (the page
// introduction-to-cosyvoice-ssml-markup-language): a script's words are escaped, so
// that no text of a script or of a customer becomes markup.
package dashscope
