package label

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"strings"

	"ringmaster/internal/audio"
)

// Metadata is the implicit label of a generated file: the AIGC object of GB
// 45438-2025, annex E.
type Metadata struct {
	// Label: 1 generated, 2 possibly, 3 suspected.
	Label             string `json:"Label"`
	ContentProducer   string `json:"ContentProducer"` // name or code of who generated it
	ProduceID         string `json:"ProduceID"`       // the producer's number of the content
	ReservedCode1     string `json:"ReservedCode1"`   // the producer's integrity check
	ContentPropagator string `json:"ContentPropagator"`
	PropagateID       string `json:"PropagateID"`
	ReservedCode2     string `json:"ReservedCode2"`
}

// Generated is the label of a file that a producer generated.
func Generated(producer, id string) Metadata {
	return Metadata{Label: "1", ContentProducer: producer, ProduceID: id, ContentPropagator: producer, PropagateID: id}
}

// ErrNoMetadata is a file without an implicit label.
var ErrNoMetadata = errors.New("label: the file carries no AIGC metadata")

type document struct {
	AIGC *Metadata `json:"AIGC"`
}

// xmpSpace is the namespace that TC260 gave the field in XMP.
const xmpSpace = "http://www.tc260.org.cn/ns/AIGC/1.0/"

// Chunks are what a WAV file carries of m: a LIST/INFO comment, and XMP.
func (m Metadata) Chunks() []audio.Chunk {
	doc, err := json.Marshal(document{&m})
	if err != nil { // strings always marshal
		return nil
	}
	field, _ := json.Marshal(m)
	info := []byte("INFO")
	for _, e := range [][2]string{{"ISFT", "ringmaster"}, {"ICMT", string(doc)}} {
		text := append([]byte(e[1]), 0)
		info = append(info, e[0]...)
		info = binary.LittleEndian.AppendUint32(info, uint32(len(text)))
		info = append(info, text...)
		if len(text)%2 == 1 {
			info = append(info, 0)
		}
	}
	var esc bytes.Buffer
	_ = xml.EscapeText(&esc, field)
	xmp := `<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">` +
		`<rdf:Description rdf:about="" xmlns:TC260="` + xmpSpace + `"><TC260:AIGC>` + esc.String() + `</TC260:AIGC></rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="r"?>`
	return []audio.Chunk{{ID: "LIST", Data: info}, {ID: "_PMX", Data: []byte(xmp)}}
}

// Read finds the implicit label among the chunks of a file: in the comment, or
// else in XMP.
func Read(chunks []audio.Chunk) (Metadata, error) {
	var fault error
	for _, c := range chunks {
		var m Metadata
		var err error
		switch {
		case c.ID == "LIST" && bytes.HasPrefix(c.Data, []byte("INFO")):
			m, err = fromComment(comment(c.Data[4:]))
		case c.ID == "_PMX":
			m, err = fromXMP(c.Data)
		default:
			continue
		}
		if err == nil {
			return m, nil
		}
		fault = errors.Join(fault, err)
	}
	if fault == nil {
		fault = ErrNoMetadata
	}
	return Metadata{}, fault
}

// comment is the text of ICMT in an INFO list.
func comment(b []byte) string {
	for len(b) >= 8 {
		size := int64(binary.LittleEndian.Uint32(b[4:]))
		if size > int64(len(b)-8) {
			return ""
		}
		if string(b[:4]) == "ICMT" {
			return strings.TrimRight(string(b[8:8+size]), "\x00")
		}
		b = b[min(int64(len(b)), 8+size+size%2):]
	}
	return ""
}

func fromComment(s string) (Metadata, error) {
	var d document
	if err := json.Unmarshal([]byte(s), &d); err != nil || d.AIGC == nil {
		return Metadata{}, fmt.Errorf("%w in its comment", ErrNoMetadata)
	}
	return *d.AIGC, nil
}

func fromXMP(b []byte) (Metadata, error) {
	dec := xml.NewDecoder(bytes.NewReader(b))
	dec.Strict = false
	for {
		t, err := dec.Token()
		if err != nil {
			return Metadata{}, fmt.Errorf("%w in its XMP", ErrNoMetadata)
		}
		el, ok := t.(xml.StartElement)
		if !ok || el.Name.Local != "AIGC" || el.Name.Space != xmpSpace {
			continue
		}
		var text string
		var m Metadata
		if err := dec.DecodeElement(&text, &el); err != nil {
			return Metadata{}, fmt.Errorf("%w in its XMP", ErrNoMetadata)
		}
		if err := json.Unmarshal([]byte(text), &m); err != nil {
			return Metadata{}, fmt.Errorf("%w in its XMP", ErrNoMetadata)
		}
		return m, nil
	}
}
