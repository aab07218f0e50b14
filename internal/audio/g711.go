package audio

import "fmt"

// G.711 companding by table: decode is one look-up, encode is a segment search
// done once per sample value at start-up (ITU-T G.711, 11/88).
type tables struct {
	ulawDecode, alawDecode [256]int16
	ulawEncode, alawEncode [65536]byte
}

var g711 = newTables()

func newTables() *tables {
	t := new(tables)
	for i := range 256 {
		t.ulawDecode[i] = decodeULaw(byte(i))
		t.alawDecode[i] = decodeALaw(byte(i))
	}
	for v := -32768; v <= 32767; v++ {
		t.ulawEncode[uint16(int16(v))] = encodeULaw(v)
		t.alawEncode[uint16(int16(v))] = encodeALaw(v)
	}
	return t
}

func decodeULaw(b byte) int16 {
	b = ^b
	magnitude := (int(b&0x0f)<<3 + 0x84) << (b >> 4 & 7)
	if b&0x80 != 0 {
		return int16(0x84 - magnitude)
	}
	return int16(magnitude - 0x84)
}

func encodeULaw(v int) byte {
	var sign byte
	if v < 0 {
		v, sign = -v, 0x80
	}
	v = min(v, 32635) + 0x84
	exponent := 7
	for mask := 0x4000; v&mask == 0 && exponent > 0; mask >>= 1 {
		exponent--
	}
	mantissa := byte(v >> (exponent + 3) & 0x0f)
	return ^(sign | byte(exponent)<<4 | mantissa)
}

func decodeALaw(b byte) int16 {
	b ^= 0x55
	v := int(b&0x0f)<<4 + 8
	if segment := b >> 4 & 7; segment > 0 {
		v = (v + 0x100) << (segment - 1)
	}
	if b&0x80 != 0 {
		return int16(v)
	}
	return int16(-v)
}

func encodeALaw(v int) byte {
	sign := byte(0x80)
	if v < 0 {
		v, sign = -v-1, 0
	}
	v = min(v, 32767)
	var b byte
	if v < 256 {
		b = byte(v >> 4)
	} else {
		segment := 1
		for w := v >> 9; w > 0; w >>= 1 {
			segment++
		}
		b = byte(segment)<<4 | byte(v>>(segment+3)&0x0f)
	}
	return (sign | b) ^ 0x55
}

// Decode turns wire bytes into linear samples, appended to dst. A trailing odd
// byte of linear audio is an error, so that a reader never runs off phase.
func Decode(dst []int16, wire []byte, enc Encoding) ([]int16, error) {
	switch enc {
	case ULaw:
		for _, b := range wire {
			dst = append(dst, g711.ulawDecode[b])
		}
	case ALaw:
		for _, b := range wire {
			dst = append(dst, g711.alawDecode[b])
		}
	case Linear:
		if len(wire)%2 != 0 {
			return dst, fmt.Errorf("audio: %d bytes of 16-bit audio: an odd count cannot be whole samples", len(wire))
		}
		for i := 0; i < len(wire); i += 2 {
			dst = append(dst, int16(uint16(wire[i])|uint16(wire[i+1])<<8))
		}
	default:
		return dst, fmt.Errorf("audio: unknown encoding %q", enc)
	}
	return dst, nil
}

// Encode turns linear samples into wire bytes, appended to dst.
func Encode(dst []byte, samples []int16, enc Encoding) ([]byte, error) {
	switch enc {
	case ULaw:
		for _, s := range samples {
			dst = append(dst, g711.ulawEncode[uint16(s)])
		}
	case ALaw:
		for _, s := range samples {
			dst = append(dst, g711.alawEncode[uint16(s)])
		}
	case Linear:
		for _, s := range samples {
			dst = append(dst, byte(s), byte(uint16(s)>>8))
		}
	default:
		return dst, fmt.Errorf("audio: unknown encoding %q", enc)
	}
	return dst, nil
}
