package ledger

import (
	"bytes"
	"crypto/ed25519"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"sort"
	"testing"
	"time"

	"github.com/google/uuid"

	"ringmaster/internal/campaign"
	"ringmaster/internal/compliance"
	"ringmaster/internal/phone"
)

var begin = time.Date(2026, 3, 2, 1, 0, 0, 0, time.UTC)

// key of the tests.
func key(n byte) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{n}, ed25519.SeedSize))
}

func public(k ed25519.PrivateKey) ed25519.PublicKey {
	p, _ := k.Public().(ed25519.PublicKey)
	return p
}

// rows are a tenant's ledger as a database holds it.
type rows struct {
	tenant   string
	blocks   []sealedBlock
	attempts []Attempt
}

type sealedBlock struct {
	Block
	hash    Hash
	sig     []byte
	records []row
}

type row struct {
	leaf Hash
	body []byte
}

func (r rows) clone() rows {
	c := r
	c.blocks = append([]sealedBlock(nil), r.blocks...)
	for i := range c.blocks {
		c.blocks[i].records = append([]row(nil), c.blocks[i].records...)
	}
	c.attempts = append([]Attempt(nil), r.attempts...)
	return c
}

// seal makes blocks, hashes and signatures of records from block i on.
func (r *rows) seal(from int, k ed25519.PrivateKey) {
	prev := Hash{}
	if from > 0 {
		prev = r.blocks[from-1].hash
	}
	for i := from; i < len(r.blocks); i++ {
		b := &r.blocks[i]
		leaves := make([]Hash, len(b.records))
		for j, rec := range b.records {
			leaves[j] = rec.leaf
		}
		b.Block = Block{Tenant: r.tenant, Seq: uint64(i + 1), Prev: prev, Root: Root(leaves), Records: len(leaves), At: begin.Add(time.Duration(i) * time.Second)}
		b.hash = b.Hash()
		b.sig = Sign(k, b.hash)
		prev = b.hash
	}
}

func ident(rng *rand.Rand, n int) uuid.UUID {
	var id uuid.UUID
	binary.BigEndian.PutUint64(id[:], uint64(n)<<16) //nolint:gosec // small
	binary.BigEndian.PutUint64(id[8:], rng.Uint64())
	return id
}

// newRows is a ledger of n permits: some of messages, some voided.
func newRows(tb testing.TB, rng *rand.Rand, tenant string, n, mostInBlock int, k ed25519.PrivateKey) rows {
	tb.Helper()
	r := rows{tenant: tenant}
	caller, err := phone.Short("95511")
	if err != nil {
		tb.Fatal(err)
	}
	verdicts := make([]compliance.Verdict, 0, 12)
	for _, rule := range []string{"stop", "contact", "task", "do_not_call", "consent", "toll_fraud", "caller_id", "late", "calling_hours", "caps", "cool_down", "abandon"} {
		verdicts = append(verdicts, compliance.Verdict{Decision: compliance.Allow, Rule: rule, Inputs: map[string]string{"jurisdiction": "CN", "window": "08:00-22:00"}})
	}
	var b sealedBlock
	room := 1 + rng.IntN(mostInBlock)
	put := func(body []byte) {
		b.records = append(b.records, row{Leaf(body), body})
		if len(b.records) >= room {
			r.blocks, b, room = append(r.blocks, b), sealedBlock{}, 1+rng.IntN(mostInBlock)
		}
	}
	template := map[compliance.Channel][]byte{} // marshalling each of a hundred thousand would be most of the test
	for i := range n {
		id, at := ident(rng, i), begin.Add(time.Duration(i)*time.Millisecond)
		act := compliance.Act{
			Channel: compliance.Voice, Path: compliance.PathTask, Tenant: tenant, Task: "0199f000-0000-7000-8000-000000000001", Purpose: campaign.Service,
			LegalBasis: "contract", Jurisdiction: "CN", CallerID: caller, Trunk: "trunk-1", Script: "promotion_001", ScriptVersion: "v1", DueAt: at, Try: 1,
		}
		message := rng.IntN(10) == 0
		if message {
			act.Channel, act.Path = compliance.SMS, compliance.PathSMS
		}
		if template[act.Channel] == nil {
			body, err := Body(compliance.Permit{Act: act, Version: "cafe0123456789abcdef0123", Verdicts: verdicts}, Commit(id[:], "person", "+86", ""))
			if err != nil {
				tb.Fatal(err)
			}
			template[act.Channel] = body
		}
		body := bytes.Replace(template[act.Channel], []byte(uuid.Nil.String()), []byte(id.String()), 1)
		body = bytes.Replace(body, []byte(`"0001-01-01T00:00:00Z"`), []byte(at.Format(`"2006-01-02T15:04:05.999999999Z"`)), 1)
		put(body)
		if message {
			continue
		}
		if rng.IntN(20) == 0 {
			body, err := Void(tenant, id, at.Add(time.Second), "exchange_unavailable: it said no")
			if err != nil {
				tb.Fatal(err)
			}
			put(body)
			continue
		}
		r.attempts = append(r.attempts, Attempt{ID: id, State: "finished", PlacedAt: at, Permit: Leaf(body)})
	}
	if len(b.records) > 0 {
		r.blocks = append(r.blocks, b)
	}
	sort.Slice(r.attempts, func(i, j int) bool { return bytes.Compare(r.attempts[i].ID[:], r.attempts[j].ID[:]) < 0 })
	r.seal(0, k)
	return r
}

// export writes rows as the product does.
func (r rows) export(tb testing.TB, k ed25519.PrivateKey) ([]byte, Checkpoint) {
	tb.Helper()
	var out bytes.Buffer
	w, err := NewWriter(&out, r.tenant, begin, k)
	if err != nil {
		tb.Fatal(err)
	}
	for _, b := range r.blocks {
		if err := w.Block(b.Block, b.hash, b.sig); err != nil {
			tb.Fatal(err)
		}
		for _, rec := range b.records {
			if err := w.Record(rec.leaf, rec.body); err != nil {
				tb.Fatal(err)
			}
		}
	}
	for _, a := range r.attempts {
		if err := w.Attempt(a); err != nil {
			tb.Fatal(err)
		}
	}
	c, err := w.Close()
	if err != nil {
		tb.Fatal(err)
	}
	return out.Bytes(), c
}

func (r row) permitID() string {
	var b body
	b.read(r.body)
	return fmt.Sprintf("%s %s", b.Kind, b.ID)
}
