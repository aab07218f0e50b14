// Package media is the audio of a leg: a chan_websocket connection to Asterisk
// (the default), and RTP and AudioSocket as fallbacks. It carries frames and
// knows nothing of calls.
//
// The websocket leg. Asterisk holds a queue of 20 ms frames and plays one a
// tick; when the queue is empty the callee gets no packet at all. We therefore
// keep a little silence queued while nobody speaks, up to 400 ms of speech
// while somebody does, and throw the silence away the moment speech begins.
// What has been heard is known exactly, because GET_STATUS and FLUSH_MEDIA are
// handled in the order of our messages: frames sent before the question, less
// the queue's length in the answer, have been played.
//
// The files: control.go reads and writes control messages (pure, fuzzed);
// playout.go is the book of what was sent and heard (pure); clock.go places
// received frames on the leg's sample clock (pure); websocket.go and its pump,
// rtp.go and audiosocket.go move the bytes.
package media
