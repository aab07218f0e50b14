package twin

import (
	"net/http"
	"time"

	"ringmaster/internal/lab/twin/sound"
)

// bridge is an ARI mixing bridge; guarded by the exchange's lock.
type bridge struct {
	ex       *Exchange
	id, name string
	kind     string
	members  []*channel
	created  time.Time
	plays    []*playback
}

func (b *bridge) json() *bridgeJSON {
	ids := []string{}
	for _, m := range b.members {
		ids = append(ids, m.id)
	}
	return &bridgeJSON{
		ID: b.id, Technology: b.technology(), Type: "mixing", Class: "stasis", Creator: "Stasis", Name: b.name,
		Channels: ids, Created: stamp(b.created), VideoMode: "talker",
	}
}

func (b *bridge) technology() string {
	if len(b.members) > 2 || len(b.plays) > 0 {
		return "softmix"
	}
	if len(b.members) == 2 && b.members[0].kind == phoneKind && b.members[1].kind == phoneKind {
		return "native_rtp"
	}
	return "simple_bridge"
}

// peers tells every member's line who is heard there now.
func (b *bridge) peers() {
	for _, m := range b.members {
		others := make([]*sound.Line, 0, len(b.members))
		for _, o := range b.members {
			if o != m {
				others = append(others, o.line)
			}
		}
		clips := make([]*sound.Clip, 0, len(b.plays))
		for _, p := range b.plays {
			clips = append(clips, p.clip)
		}
		m.line.Connect(others, clips)
	}
}

func (b *bridge) join(ch *channel) {
	if ch.bridge == b {
		return
	}
	if ch.bridge != nil {
		ch.bridge.remove(ch)
	}
	b.members = append(b.members, ch)
	ch.bridge = b
	b.peers()
	if a := b.ex.apps[ch.app]; a != nil {
		a.bridges[b.id] = true
	}
	b.ex.announce(b, event{Type: "ChannelEnteredBridge", Bridge: b.json(), Channel: ch.json()})
	if len(b.members) != 2 {
		return
	}
	for i, m := range b.members { // the noise of a join
		other := b.members[1-i]
		m.varset("BRIDGEPEER", other.name)
		if other.protocol != "" {
			m.varset("BRIDGEPVTCALLID", other.protocol)
		}
		if m.connected != other.caller {
			m.connected = other.caller
			m.emit(event{Type: "ChannelConnectedLine"})
		}
	}
}

func (b *bridge) remove(ch *channel) {
	for i, m := range b.members {
		if m == ch {
			b.members = append(b.members[:i:i], b.members[i+1:]...)
			ch.bridge = nil
			ch.line.Connect(nil, nil)
			b.peers()
			b.ex.announce(b, event{Type: "ChannelLeftBridge", Bridge: b.json(), Channel: ch.json()})
			return
		}
	}
}

func (ex *Exchange) createBridge(p params, id string) (*bridge, *apiError) {
	if id == "" {
		id = p.get("bridgeId")
	}
	if ex.bridges[id] != nil {
		return nil, bad(http.StatusConflict, "Bridge with id '"+id+"' already exists")
	}
	if len(id) > maxID {
		return nil, bad(http.StatusBadRequest, "Uniqueid length exceeds maximum of 149")
	}
	if id == "" {
		id = ex.uuid()
	}
	b := &bridge{ex: ex, id: id, name: p.get("name"), kind: p.get("type"), created: time.Now()}
	ex.bridges[id] = b
	for _, a := range ex.apps {
		if a.all {
			a.send(event{Type: "BridgeCreated", Bridge: b.json()})
		}
	}
	return b, nil
}

func (ex *Exchange) destroyBridge(b *bridge) {
	for len(b.members) > 0 {
		b.remove(b.members[len(b.members)-1])
	}
	delete(ex.bridges, b.id)
	ex.announce(b, event{Type: "BridgeDestroyed", Bridge: b.json()})
	for _, a := range ex.apps {
		delete(a.bridges, b.id)
	}
}

// owned finds channels that are ours to bridge: all or none.
func (ex *Exchange) owned(list string) ([]*channel, *apiError) {
	var chs []*channel
	for _, id := range split(list) {
		ch := ex.channels[id]
		if ch == nil {
			return nil, bad(http.StatusBadRequest, "Channel not found")
		}
		if !ch.stasis {
			return nil, bad(http.StatusUnprocessableEntity, "Channel not in Stasis application")
		}
		chs = append(chs, ch)
	}
	if len(chs) == 0 {
		return nil, bad(http.StatusBadRequest, "Missing parameter channel")
	}
	return chs, nil
}
