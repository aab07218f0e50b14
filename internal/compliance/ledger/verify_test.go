package ledger

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
)

// TestRow_M2_HundredThousandPermitsAreVerified: the whole chain, every record, every placed call, offline.
func TestRow_M2_HundredThousandPermitsAreVerified(t *testing.T) {
	const n = permitsVerified
	rng := rand.New(rand.NewPCG(1, 2))
	r := newRows(t, rng, "acme", n, 64, key(1))
	file, head := r.export(t, key(1))
	start := time.Now()
	report, err := Verify(bytes.NewReader(file), public(key(1)))
	took := time.Since(start)
	if err != nil {
		t.Fatal(err)
	}
	if report.Permits != n || report.Attempts != uint64(len(r.attempts)) || report.Head != head || report.Attempts+report.Voids+report.Messages != n {
		t.Errorf("%+v", report)
	}
	t.Logf("%d permits in %d blocks, %.1f MB: verified in %s (%.0f permits/s), %d signatures", report.Permits, report.Blocks,
		float64(len(file))/1e6, took.Round(time.Millisecond), n/took.Seconds(), report.Signatures)
}

func BenchmarkVerify(b *testing.B) {
	r := newRows(b, rand.New(rand.NewPCG(1, 2)), "acme", 100_000, 8, key(1))
	file, _ := r.export(b, key(1))
	for b.Loop() {
		if _, err := Verify(bytes.NewReader(file), public(key(1))); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(b.Elapsed().Seconds()/float64(b.N), "s/100000permits")
}

// tamper changes rows behind the ledger's back; want is the row that must be named, "" when any will do.
type tamper struct {
	name string
	do   func(rng *rand.Rand, r, other *rows) (want string)
}

// tampers of one who can write into the database and does not have the signing key. The export is made from it by the product.
var tampers = []tamper{
	{"altered body", func(rng *rand.Rand, r, _ *rows) string {
		b, j := pick(rng, r)
		rec := &r.blocks[b].records[j]
		want := rec.permitID()
		rec.body = bytes.Replace(rec.body, []byte(`"at":"2026`), []byte(`"at":"2025`), 1)
		return want
	}},
	{"altered body and its hash", func(rng *rand.Rand, r, _ *rows) string {
		b, j := pick(rng, r)
		rec := &r.blocks[b].records[j]
		rec.body = bytes.Replace(rec.body, []byte(`"at":"2026`), []byte(`"at":"2025`), 1)
		rec.leaf = Leaf(rec.body)
		return fmt.Sprintf("block %d", b+1)
	}},
	{"dropped record", func(rng *rand.Rand, r, _ *rows) string {
		b, j := pick(rng, r)
		recs := r.blocks[b].records
		r.blocks[b].records = append(recs[:j:j], recs[j+1:]...)
		return ""
	}},
	{"doubled record", func(rng *rand.Rand, r, _ *rows) string {
		b, j := pick(rng, r)
		recs := r.blocks[b].records
		r.blocks[b].records = append(recs[:j+1:j+1], recs[j:]...)
		return ""
	}},
	{"records exchanged", func(rng *rand.Rand, r, _ *rows) string {
		b, j := pick(rng, r)
		c, k := pick(rng, r)
		for c == b {
			c, k = pick(rng, r)
		}
		x, y := &r.blocks[b].records[j], &r.blocks[c].records[k]
		*x, *y = *y, *x
		return ""
	}},
	{"dropped block", func(rng *rand.Rand, r, _ *rows) string {
		b := rng.IntN(len(r.blocks) - 1)
		r.blocks = append(r.blocks[:b:b], r.blocks[b+1:]...)
		return fmt.Sprintf("block %d", b+2)
	}},
	{"blocks exchanged", func(rng *rand.Rand, r, _ *rows) string {
		b := rng.IntN(len(r.blocks) - 1)
		r.blocks[b], r.blocks[b+1] = r.blocks[b+1], r.blocks[b]
		return fmt.Sprintf("block %d", b+2)
	}},
	{"tail cut off in the database", func(rng *rand.Rand, r, _ *rows) string {
		b := 1 + rng.IntN(len(r.blocks)-1)
		gone := map[uuid.UUID]bool{}
		for _, blk := range r.blocks[b:] {
			for _, rec := range blk.records {
				var d body
				d.read(rec.body)
				gone[d.ID] = true
			}
		}
		r.blocks = r.blocks[:b]
		kept := r.attempts[:0:0]
		for _, a := range r.attempts {
			if !gone[a.ID] {
				kept = append(kept, a)
			}
		}
		r.attempts = kept
		return ""
	}},
	{"another tenant's record", func(rng *rand.Rand, r, other *rows) string {
		b, j := pick(rng, r)
		c, k := pick(rng, other)
		r.blocks[b].records[j] = other.blocks[c].records[k]
		return other.blocks[c].records[k].permitID()
	}},
	{"another tenant's block", func(rng *rand.Rand, r, other *rows) string {
		b := rng.IntN(min(len(r.blocks), len(other.blocks)))
		r.blocks[b] = other.blocks[b]
		return fmt.Sprintf("block %d", b+1)
	}},
	{"chain written anew without the key", func(rng *rand.Rand, r, _ *rows) string {
		b, j := pick(rng, r)
		rec := &r.blocks[b].records[j]
		rec.body = bytes.Replace(rec.body, []byte(`"at":"2026`), []byte(`"at":"2025`), 1)
		rec.leaf = Leaf(rec.body)
		r.seal(b, key(9))
		return ""
	}},
	{"attempt dropped", func(rng *rand.Rand, r, _ *rows) string {
		i := rng.IntN(len(r.attempts))
		want := "permit " + r.attempts[i].ID.String()
		r.attempts = append(r.attempts[:i:i], r.attempts[i+1:]...)
		return want
	}},
	{"attempt without a permit", func(rng *rand.Rand, r, _ *rows) string {
		i := rng.IntN(len(r.attempts))
		a := r.attempts[i]
		a.ID[15] ^= 1
		want := "attempt " + a.ID.String()
		if bytes.Compare(a.ID[:], r.attempts[i].ID[:]) > 0 {
			i++
		}
		r.attempts = append(r.attempts[:i:i], append([]Attempt{a}, r.attempts[i:]...)...)
		return want
	}},
	{"attempt altered", func(rng *rand.Rand, r, _ *rows) string {
		i := rng.IntN(len(r.attempts))
		r.attempts[i].PlacedAt = r.attempts[i].PlacedAt.Add(time.Hour)
		return "attempt " + r.attempts[i].ID.String()
	}},
}

func pick(rng *rand.Rand, r *rows) (block, record int) {
	b := rng.IntN(len(r.blocks))
	return b, rng.IntN(len(r.blocks[b].records))
}

// tampers of the file after it was written.
var fileTampers = []struct {
	name string
	do   func(rng *rand.Rand, lines, other [][]byte) [][]byte
}{
	{"altered byte", func(rng *rand.Rand, lines, _ [][]byte) [][]byte {
		i := rng.IntN(len(lines))
		l := bytes.Clone(lines[i])
		l[rng.IntN(len(l))] ^= byte(1 << rng.IntN(7))
		lines[i] = l
		return lines
	}},
	{"dropped line", func(rng *rand.Rand, lines, _ [][]byte) [][]byte {
		i := rng.IntN(len(lines))
		return append(lines[:i], lines[i+1:]...)
	}},
	{"doubled line", func(rng *rand.Rand, lines, _ [][]byte) [][]byte {
		i := rng.IntN(len(lines))
		return append(lines[:i+1:i+1], lines[i:]...)
	}},
	{"reordered lines", func(rng *rand.Rand, lines, _ [][]byte) [][]byte {
		i, j := rng.IntN(len(lines)), rng.IntN(len(lines))
		for j == i {
			j = rng.IntN(len(lines))
		}
		lines[i], lines[j] = lines[j], lines[i]
		return lines
	}},
	{"tail cut off", func(rng *rand.Rand, lines, _ [][]byte) [][]byte { return lines[:rng.IntN(len(lines))] }},
	{"another tenant's line", func(rng *rand.Rand, lines, other [][]byte) [][]byte {
		i := rng.IntN(min(len(lines), len(other)))
		lines[i] = other[i]
		return lines
	}},
	{"the end of an earlier file", func(_ *rand.Rand, lines, other [][]byte) [][]byte {
		lines[len(lines)-1] = other[len(other)-1]
		return lines
	}},
}

// TestRow_M2_ThousandTamperingsAreDetected: each of a thousand random changes, in the database or in the file, and the row that was
// changed is named where it can be known.
func TestRow_M2_ThousandTamperingsAreDetected(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	ours, theirs := newRows(t, rng, "acme", 30, 3, key(1)), newRows(t, rng, "umbrella", 30, 3, key(1))
	file, head := ours.export(t, key(1))
	otherFile, _ := theirs.export(t, key(1))
	if _, err := Verify(bytes.NewReader(file), public(key(1)), head); err != nil {
		t.Fatalf("as it was written: %v", err)
	}
	lines, otherLines := bytes.Split(bytes.TrimSpace(file), []byte("\n")), bytes.Split(bytes.TrimSpace(otherFile), []byte("\n"))
	detected, named := 0, 0
	try := func(i int, name, want string, file []byte) {
		_, err := Verify(bytes.NewReader(file), public(key(1)), head)
		var broken *BrokenError
		if !errors.As(err, &broken) || broken.Line < 1 || broken.Row == "" || broken.Problem == "" {
			t.Errorf("%d, %s: not detected: %v", i, name, err)
			return
		}
		detected++
		if want != "" {
			if broken.Row != want {
				t.Errorf("%d, %s: %v; want %s named", i, name, err, want)
			}
			named++
		}
	}
	for i := range 1000 {
		if i%2 == 0 {
			c := tampers[i/2%len(tampers)]
			r := ours.clone()
			want := c.do(rng, &r, &theirs)
			file, _ := r.export(t, key(1))
			try(i, c.name, want, file)
			continue
		}
		c := fileTampers[i/2%len(fileTampers)]
		changed := c.do(rng, append([][]byte(nil), lines...), otherLines)
		try(i, c.name, "", append(bytes.Join(changed, []byte("\n")), '\n'))
	}
	t.Logf("%d of 1000 tamperings detected; in %d of them the row itself could be named, and was", detected, named)
}

// TestCheckpointsHoldLaterExports: a checkpoint from an older export holds the newer one, but not the other way round.
func TestCheckpointsHoldLaterExports(t *testing.T) {
	r := newRows(t, rand.New(rand.NewPCG(5, 6)), "acme", 100, 3, key(1))
	full, head := r.export(t, key(1))
	for _, seq := range []uint64{1, head.Seq / 2, head.Seq} {
		c := Checkpoint{Seq: seq, Hash: r.blocks[seq-1].hash}
		if _, err := Verify(bytes.NewReader(full), public(key(1)), c); err != nil {
			t.Errorf("checkpoint of block %d: %v", seq, err)
		}
		back, err := ParseCheckpoint(c.String())
		if err != nil || back != c {
			t.Errorf("%v, %v", back, err)
		}
	}
	if _, err := Verify(bytes.NewReader(full), public(key(1)), Checkpoint{Seq: head.Seq + 1}); err == nil || !strings.Contains(err.Error(), "cut off") {
		t.Errorf("a chain that is too short: %v", err)
	}
	if _, err := Verify(bytes.NewReader(full), public(key(2))); err == nil {
		t.Error("another key")
	}
	empty, _ := rows{tenant: "acme"}.export(t, key(1))
	if report, err := Verify(bytes.NewReader(empty), public(key(1))); err != nil || report.Tenant != "acme" {
		t.Errorf("an empty ledger: %+v, %v", report, err)
	}
	for _, s := range []string{"", "1", "x:" + head.Hash.String(), "1:abcd", "-1:" + head.Hash.String()} {
		if _, err := ParseCheckpoint(s); err == nil {
			t.Errorf("%q is no checkpoint", s)
		}
	}
}

// TestMerkleRoot is RFC 6962's example tree, computed by hand for 3 and 5 leaves.
func TestMerkleRoot(t *testing.T) {
	leaf := func(i int) Hash { return Leaf([]byte{byte(i)}) }
	node := func(a, b Hash) Hash { return Root([]Hash{a, b}) }
	l := []Hash{leaf(0), leaf(1), leaf(2), leaf(3), leaf(4)}
	if Root(l[:3]) != node(node(l[0], l[1]), l[2]) {
		t.Error("3 leaves")
	}
	if Root(l) != node(node(node(l[0], l[1]), node(l[2], l[3])), l[4]) {
		t.Error("5 leaves")
	}
	if Root(nil).String() != "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" {
		t.Error("no leaves")
	}
	if Leaf(nil).String() != "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d" { // RFC 6962: SHA-256 of 0x00
		t.Error("empty leaf")
	}
}

func TestKeysAndCodes(t *testing.T) {
	k := public(key(1))
	back, err := ParseKey(KeyText(k) + "\n")
	if err != nil || !back.Equal(k) {
		t.Errorf("%v, %v", back, err)
	}
	for _, s := range []string{"", "ed25519:", "ed25519:AAAA", KeyText(k)[:20], "rsa:" + KeyText(k)[8:]} {
		if _, err := ParseKey(s); !errors.Is(err, ErrKey) {
			t.Errorf("%q: %v", s, err)
		}
	}
	b, err := Void("acme", uuid.Nil, begin, "exchange_unavailable: dialled 13812345678")
	if err != nil || bytes.Contains(b, []byte("138")) || !bytes.Contains(b, []byte(`"reason":"exchange_unavailable"`)) {
		t.Errorf("%s, %v", b, err)
	}
	if Commit([]byte("k"), "p", "n", "") == Commit([]byte("l"), "p", "n", "") {
		t.Error("two keys give one commitment")
	}
}

// FuzzVerify: whatever the bytes are, Verify ends with an answer, and never takes what was not written by the key.
func FuzzVerify(f *testing.F) {
	r := newRows(f, rand.New(rand.NewPCG(7, 8)), "acme", 12, 3, key(1))
	file, _ := r.export(f, key(1))
	f.Add(file)
	f.Add([]byte("{}\n"))
	for i, l := range bytes.SplitAfter(file, []byte("\n")) {
		if i < 6 {
			f.Add(l)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		_, err := Verify(bytes.NewReader(b), public(key(1)))
		if err == nil && !bytes.Equal(b, file) {
			t.Errorf("accepted:\n%s", b)
		}
	})
}

// TestBodiesAreReadAsJSONIs: the quick reader and encoding/json agree on every record.
func TestBodiesAreReadAsJSONIs(t *testing.T) {
	r := newRows(t, rand.New(rand.NewPCG(9, 9)), `ac"me\ 中`, 50, 3, key(1))
	for _, b := range r.blocks {
		for _, rec := range b.records {
			var fast body
			var slow permit
			if !fast.read(rec.body) || json.Unmarshal(rec.body, &slow) != nil || fast.ID != slow.ID || fast.Tenant != slow.Tenant ||
				!fast.At.Equal(slow.At) || fast.Kind != slow.Kind || fast.Channel != slow.Channel || fast.Verdicts != len(slow.Verdicts) {
				t.Errorf("%+v\n%s", fast, rec.body)
			}
		}
	}
	for _, s := range []string{"", "{", "[]", `{"a"}`, `{"a":}`, `{"a":1,}`, `{"a":1}x`, `{"id":"x"}`, `{"a":"\"}`, `{"verdicts":[{]}`, `{"verdicts":{}}`, `{"a":[}`} {
		var d body
		if d.read([]byte(s)) {
			t.Errorf("%s was read", s)
		}
	}
}
