package fstwin

import (
	"encoding/binary"
	"net"
	"net/netip"
	"sync"

	"ringmaster/internal/audio"
	"ringmaster/internal/lab/twin/sound"
)

// unicast is the sound of a parked channel over UDP: headerless 16-bit samples
// (or, native, the codec's own bytes), one frame a datagram. It ends with the
// park, silently; what is asked for again in the same park does nothing.
type unicast struct {
	conn   *net.UDPConn
	remote netip.AddrPort
	native bool
	line   *sound.Line
	clock  *sound.Clock

	mu    sync.Mutex
	queue []sound.Frame
	buf   []byte
}

// unicast is the private event of that name: it says nothing, whether it works
// or not.
func (ch *channel) unicast(p *message) {
	ex := ch.ex
	if !ch.parked || ch.stream != nil || len(ch.stack) != 1 {
		return
	}
	local, err1 := netip.ParseAddr(p.get("local-ip"))
	remote, err2 := netip.ParseAddr(p.get("remote-ip"))
	lport, rport := atoi(p.get("local-port")), atoi(p.get("remote-port"))
	if err1 != nil || err2 != nil || lport < 0 || lport > 65535 || rport < 1 || rport > 65535 {
		return
	}
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(local, uint16(lport))))
	if err != nil { // "Failure creating unicast connection"
		ex.cfg.Log.Debug("unicast of the twin", "err", err)
		return
	}
	u := &unicast{conn: conn, remote: netip.AddrPortFrom(remote, uint16(rport)), native: p.get("flags") == "native", clock: ex.clock}
	u.line = sound.NewLeg(ch, u)
	ch.stream = u
	ch.connect()
	ex.clock.Add(u.line)
	ex.running.Add(1)
	go func() {
		defer ex.running.Done()
		u.read()
	}()
}

func (u *unicast) read() {
	buf := make([]byte, 65536)
	var linear []int16
	for {
		n, err := u.conn.Read(buf)
		if err != nil {
			return
		}
		if u.native {
			linear, _ = audio.Decode(linear[:0], buf[:n], audio.ULaw)
		} else {
			linear = linear[:0]
			for i := 0; i+1 < n; i += 2 {
				linear = append(linear, int16(binary.LittleEndian.Uint16(buf[i:])))
			}
		}
		u.take(linear)
	}
}

// take queues what came: it is played at its pace and cannot be flushed.
func (u *unicast) take(linear []int16) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for len(linear) > 0 && len(u.queue) < 3000 {
		var f sound.Frame
		linear = linear[copy(f[:], linear):]
		u.queue = append(u.queue, f)
	}
}

// Play implements sound.Source.
func (u *unicast) Play(dst *sound.Frame) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(u.queue) == 0 {
		return false
	}
	*dst = u.queue[0]
	u.queue = u.queue[1:]
	return true
}

// Say implements sound.Source.
func (u *unicast) Say(f []int16) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.buf = u.buf[:0]
	if u.native {
		u.buf, _ = audio.Encode(u.buf, f, audio.ULaw)
	} else {
		for _, v := range f {
			u.buf = binary.LittleEndian.AppendUint16(u.buf, uint16(v))
		}
	}
	_, _ = u.conn.WriteToUDPAddrPort(u.buf, u.remote)
}

func (u *unicast) close() {
	u.clock.Remove(u.line)
	u.line.Stop()
	_ = u.conn.Close()
}
