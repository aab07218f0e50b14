package asr

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode"

	"ringmaster/internal/lab/tone"
)

// request is a text message of the client. Fields that it leaves out keep what
// an earlier message said.
type request struct {
	Mode          *string         `json:"mode"`
	WavName       *string         `json:"wav_name"`
	WavFormat     *string         `json:"wav_format"`
	AudioFS       *float64        `json:"audio_fs"` // the C++ client sends 16000.0 for a microphone
	IsSpeaking    *bool           `json:"is_speaking"`
	IsEnd         *bool           `json:"is_end"`
	IsFinished    *bool           `json:"is_finished"`
	ChunkSize     json.RawMessage `json:"chunk_size"` // [5,10,5] or "5,10,5"
	ChunkInterval *int            `json:"chunk_interval"`
	Hotwords      *string         `json:"hotwords"`
	ITN           *bool           `json:"itn"`
	Language      *string         `json:"svs_lang"`
}

func parseChunkSize(raw json.RawMessage) ([3]int, error) {
	var list []int
	var text string
	if err := json.Unmarshal(raw, &list); err != nil {
		if err := json.Unmarshal(raw, &text); err != nil {
			return [3]int{}, fmt.Errorf("chunk_size %.40q is neither a list nor a string", raw)
		}
		for _, s := range strings.Split(text, ",") {
			n, err := strconv.Atoi(strings.TrimSpace(s))
			if err != nil {
				return [3]int{}, fmt.Errorf("chunk_size %.40q: %w", text, err)
			}
			list = append(list, n)
		}
	}
	if len(list) != 3 || list[1] <= 0 || list[1] > 1000 {
		return [3]int{}, fmt.Errorf("chunk_size %v: three numbers are needed and the middle one must be positive", list)
	}
	return [3]int(list), nil
}

// response is a text message of the server.
type response struct {
	Mode      string `json:"mode,omitempty"`
	Text      string `json:"text"`
	WavName   string `json:"wav_name"`
	IsFinal   bool   `json:"is_final"`
	Timestamp any    `json:"timestamp,omitempty"`

	// C++ only
	StampSents []sentence `json:"stamp_sents,omitempty"`
	SliceType  *int       `json:"slice_type,omitempty"`
	Index      *int       `json:"index,omitempty"`
	StartTime  *int64     `json:"start_time,omitempty"`
	EndTime    *int64     `json:"end_time,omitempty"`

	// Python only
	SpeakerName  string   `json:"spk_name,omitempty"`
	SpeakerScore *float64 `json:"spk_score,omitempty"`
}

type acknowledgement struct {
	Mode    string `json:"mode"`
	WavName string `json:"wav_name"`
	IsFinal bool   `json:"is_final"`
	IsEnd   bool   `json:"is_end"`
}

type sentence struct {
	TextSeg string     `json:"text_seg"`
	Punc    string     `json:"punc"`
	Start   int64      `json:"start"`
	End     int64      `json:"end"`
	TSList  [][2]int64 `json:"ts_list"`
}

// Token is a unit that the real models give a time to: a Chinese character, a
// mark of punctuation, or a run of other letters or digits.
type Token struct {
	Text       string
	Start, End int64 // in the unit of the function that made it
	Punct      bool
}

// Tokens cuts characters as recognizers do; at makes a time of a position.
func Tokens(chars []tone.Char, at func(int64) int64) []Token {
	var out []Token
	open := false
	for _, c := range chars {
		r := []rune(c.Text)[0]
		t := Token{Text: c.Text, Start: at(c.Start), End: at(c.End)}
		switch {
		case unicode.IsSpace(r) || unicode.IsControl(r):
			open = false
		case unicode.IsPunct(r):
			t.Punct, open = true, false
			out = append(out, t)
		case unicode.Is(unicode.Han, r):
			out, open = append(out, t), false
		case open:
			out[len(out)-1].Text += c.Text
			out[len(out)-1].End = t.End
		default:
			out, open = append(out, t), true
		}
	}
	return out
}

// stamps are the times of ts without punctuation, and the sentences they form.
func stamps(ts []Token) (list [][2]int64, sents []sentence) {
	var seg []string
	cur := sentence{TSList: [][2]int64{}}
	flush := func(punc string) {
		cur.TextSeg, cur.Punc = strings.Join(seg, " "), punc
		if n := len(cur.TSList); n > 0 {
			cur.Start, cur.End = cur.TSList[0][0], cur.TSList[n-1][1]
		}
		sents = append(sents, cur)
		seg, cur = nil, sentence{TSList: [][2]int64{}}
	}
	for _, t := range ts {
		if t.Punct {
			flush(t.Text)
			continue
		}
		seg = append(seg, t.Text)
		cur.TSList = append(cur.TSList, [2]int64{t.Start, t.End})
		list = append(list, [2]int64{t.Start, t.End})
	}
	if len(seg) > 0 {
		flush("")
	}
	return list, sents
}

// stampString is how the C++ server writes times: a JSON list inside a string.
func stampString(list [][2]int64) string {
	b, _ := json.Marshal(list)
	return string(b)
}
