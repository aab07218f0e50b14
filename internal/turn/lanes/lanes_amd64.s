#include "textflag.h"

// The loops of lanes.go, eight values at a time (AVX2). Operands stand in Go's
// order: the last one is written; VSUBPS b, a, d is d = a - b. Sums are formed
// in the order of lanes.go, so that the results are the same bits.

// Imaginary parts of a Block and of a Spectrum stand this many bytes behind the
// real ones.
#define BLOCK 1024
#define PART 416

// Constants, by their bits.
DATA sample<>+0(SB)/4, $0x38000000 // 1/32768
GLOBL sample<>(SB), RODATA|NOPTR, $4
DATA pace<>+0(SB)/4, $0x3e800000 // 0.25
GLOBL pace<>(SB), RODATA|NOPTR, $4
DATA tiny<>+0(SB)/4, $0x2edbe6ff // 1e-10
GLOBL tiny<>(SB), RODATA|NOPTR, $4
DATA one<>+0(SB)/4, $0x3f800000 // 1
GLOBL one<>(SB), RODATA|NOPTR, $4
DATA half<>+0(SB)/4, $0x3f000000 // 0.5
GLOBL half<>(SB), RODATA|NOPTR, $4
DATA forget<>+0(SB)/4, $0x3f7fd220 // 0.9993
GLOBL forget<>(SB), RODATA|NOPTR, $4
DATA renew<>+0(SB)/4, $0x3a378034 // 0.0007
GLOBL renew<>(SB), RODATA|NOPTR, $4
DATA least<>+0(SB)/4, $0x3089705f // 1e-9
GLOBL least<>(SB), RODATA|NOPTR, $4

// BUTTERFLY takes four complex values (Y0,Y1) (Y2,Y3) (Y4,Y5) (Y6,Y7) and
// leaves the four sums of a transform of four in (Y14,Y15) (Y2,Y3) (Y8,Y9)
// (Y4,Y5). Y0 to Y13 are used.
#define BUTTERFLY \
	VADDPS Y4, Y0, Y8; \
	VADDPS Y5, Y1, Y9; \
	VSUBPS Y4, Y0, Y0; \
	VSUBPS Y5, Y1, Y1; \
	VADDPS Y6, Y2, Y10; \
	VADDPS Y7, Y3, Y11; \
	VSUBPS Y7, Y3, Y12; \
	VSUBPS Y2, Y6, Y13; \
	VADDPS Y10, Y8, Y14; \
	VADDPS Y11, Y9, Y15; \
	VSUBPS Y10, Y8, Y8; \
	VSUBPS Y11, Y9, Y9; \
	VADDPS Y12, Y0, Y2; \
	VADDPS Y13, Y1, Y3; \
	VSUBPS Y12, Y0, Y4; \
	VSUBPS Y13, Y1, Y5

// TURN multiplies (re, im) by the factor that stands at DX+at.
#define TURN(re, im, at) \
	VMULPS at(DX), re, Y6; \
	VMULPS at+32(DX), im, Y7; \
	VMULPS at+32(DX), re, Y10; \
	VMULPS at(DX), im, Y11; \
	VSUBPS Y7, Y6, re; \
	VADDPS Y11, Y10, im

// STEP does a butterfly on the eight places at SI and the three times the
// places that lie gap bytes apart behind them.
#define STEP(gap) \
	VMOVUPS (SI), Y0; \
	VMOVUPS BLOCK(SI), Y1; \
	VMOVUPS gap(SI), Y2; \
	VMOVUPS BLOCK+gap(SI), Y3; \
	VMOVUPS 2*gap(SI), Y4; \
	VMOVUPS BLOCK+2*gap(SI), Y5; \
	VMOVUPS 3*gap(SI), Y6; \
	VMOVUPS BLOCK+3*gap(SI), Y7; \
	BUTTERFLY; \
	TURN(Y2, Y3, 0); \
	TURN(Y8, Y9, 64); \
	TURN(Y4, Y5, 128); \
	VMOVUPS Y14, (SI); \
	VMOVUPS Y15, BLOCK(SI); \
	VMOVUPS Y2, gap(SI); \
	VMOVUPS Y3, BLOCK+gap(SI); \
	VMOVUPS Y8, 2*gap(SI); \
	VMOVUPS Y9, BLOCK+2*gap(SI); \
	VMOVUPS Y4, 3*gap(SI); \
	VMOVUPS Y5, BLOCK+3*gap(SI)

// PAIR loads four values of each of two rows.
#define PAIR(at, x, y) \
	VMOVUPS at(SI), x; \
	VINSERTF128 $1, at+64(SI), y, y

// TRANSPOSE makes columns of rows, four by four, in both halves. Y0, Y1, Y6 and
// Y7 are used.
#define TRANSPOSE(a, b, c, d) \
	VUNPCKLPS b, a, Y0; \
	VUNPCKHPS b, a, Y1; \
	VUNPCKLPS d, c, Y6; \
	VUNPCKHPS d, c, Y7; \
	VUNPCKLPD Y6, Y0, a; \
	VUNPCKHPD Y6, Y0, b; \
	VUNPCKLPD Y7, Y1, c; \
	VUNPCKHPD Y7, Y1, d

// func transform8(x *Block, t *twiddles)
TEXT ·transform8(SB), NOSPLIT, $0-16
	MOVQ x+0(FP), DI
	MOVQ t+8(FP), DX

	// Fours that lie 64 places apart: eight steps.
	MOVQ DI, SI
	MOVQ $8, CX

first:
	STEP(256)
	ADDQ $32, SI
	ADDQ $192, DX
	DECQ CX
	JNZ  first

	// Fours that lie 16 apart, within blocks of 64: two steps in each of four.
	MOVQ DI, SI
	MOVQ $4, CX

second:
	STEP(64)
	ADDQ $32, SI
	ADDQ $192, DX
	STEP(64)
	ADDQ $224, SI
	SUBQ $192, DX
	DECQ CX
	JNZ  second

	// Fours that lie 4 apart, within two rows of 16 at a time, and then, the
	// rows turned into columns, neighbours.
	ADDQ $384, DX
	MOVQ DI, SI
	MOVQ $8, CX

third:
	PAIR(0, X0, Y0)
	PAIR(BLOCK, X1, Y1)
	PAIR(16, X2, Y2)
	PAIR(BLOCK+16, X3, Y3)
	PAIR(32, X4, Y4)
	PAIR(BLOCK+32, X5, Y5)
	PAIR(48, X6, Y6)
	PAIR(BLOCK+48, X7, Y7)
	BUTTERFLY
	TURN(Y2, Y3, 0)
	TURN(Y8, Y9, 64)
	TURN(Y4, Y5, 128)
	TRANSPOSE(Y14, Y2, Y8, Y4)
	TRANSPOSE(Y15, Y3, Y9, Y5)
	VADDPS  Y8, Y14, Y0
	VADDPS  Y9, Y15, Y1
	VSUBPS  Y8, Y14, Y6
	VSUBPS  Y9, Y15, Y7
	VADDPS  Y4, Y2, Y10
	VADDPS  Y5, Y3, Y11
	VSUBPS  Y5, Y3, Y12
	VSUBPS  Y2, Y4, Y13
	VADDPS  Y10, Y0, Y8
	VMOVUPS Y8, (SI)
	VADDPS  Y11, Y1, Y9
	VMOVUPS Y9, BLOCK(SI)
	VADDPS  Y12, Y6, Y8
	VMOVUPS Y8, 32(SI)
	VADDPS  Y13, Y7, Y9
	VMOVUPS Y9, BLOCK+32(SI)
	VSUBPS  Y10, Y0, Y8
	VMOVUPS Y8, 64(SI)
	VSUBPS  Y11, Y1, Y9
	VMOVUPS Y9, BLOCK+64(SI)
	VSUBPS  Y12, Y6, Y8
	VMOVUPS Y8, 96(SI)
	VSUBPS  Y13, Y7, Y9
	VMOVUPS Y9, BLOCK+96(SI)
	ADDQ    $128, SI
	DECQ    CX
	JNZ     third
	VZEROUPPER
	RET

// func window8(out, w *[Size]float32, in *[Size]int16)
TEXT ·window8(SB), NOSPLIT, $0-24
	MOVQ         out+0(FP), DI
	MOVQ         w+8(FP), SI
	MOVQ         in+16(FP), DX
	VBROADCASTSS sample<>(SB), Y2
	XORQ         AX, AX

windows:
	VPMOVSXWD (DX)(AX*2), Y0
	VCVTDQ2PS Y0, Y0
	VMULPS    Y2, Y0, Y0
	VMULPS    (SI)(AX*4), Y0, Y0
	VMOVUPS   Y0, (DI)(AX*4)
	ADDQ      $8, AX
	CMPQ      AX, $256
	JNE       windows
	VZEROUPPER
	RET

// func power8(x *Spectrum, out *Values)
TEXT ·power8(SB), NOSPLIT, $0-16
	MOVQ x+0(FP), SI
	MOVQ out+8(FP), DI
	XORQ AX, AX

powers:
	VMOVUPS (SI)(AX*4), Y0
	VMOVUPS PART(SI)(AX*4), Y1
	VMULPS  Y0, Y0, Y0
	VMULPS  Y1, Y1, Y1
	VADDPS  Y1, Y0, Y0
	VMOVUPS Y0, (DI)(AX*4)
	ADDQ    $8, AX
	CMPQ    AX, $104
	JNE     powers
	VZEROUPPER
	RET

// LADDER adds the eight values of Y0, in X0, halves onto halves.
#define LADDER \
	VEXTRACTF128 $1, Y0, X1; \
	VADDPS X1, X0, X0; \
	VPERMILPS $0x0e, X0, X1; \
	VADDPS X1, X0, X0; \
	VPERMILPS $0x01, X0, X1; \
	VADDSS X1, X0, X0

// func sum8(x *Values) float32
TEXT ·sum8(SB), NOSPLIT, $0-12
	MOVQ    x+0(FP), SI
	VMOVUPS (SI), Y0
	MOVQ    $8, AX

sums:
	VADDPS (SI)(AX*4), Y0, Y0
	ADDQ   $8, AX
	CMPQ   AX, $104
	JNE    sums
	LADDER
	VMOVSS X0, ret+8(FP)
	VZEROUPPER
	RET

// func accumulate8(w, x *Spectrum, p *Values, y *Spectrum, reach *Values)
TEXT ·accumulate8(SB), NOSPLIT, $0-40
	MOVQ w+0(FP), R8
	MOVQ x+8(FP), R9
	MOVQ p+16(FP), R10
	MOVQ y+24(FP), R11
	MOVQ reach+32(FP), R12
	XORQ AX, AX

taps:
	VMOVUPS (R8)(AX*4), Y0     // w
	VMOVUPS PART(R8)(AX*4), Y1
	VMOVUPS (R9)(AX*4), Y2     // x
	VMOVUPS PART(R9)(AX*4), Y3
	VMULPS  Y2, Y0, Y4
	VMULPS  Y3, Y1, Y5
	VSUBPS  Y5, Y4, Y4         // re(w*x)
	VMULPS  Y3, Y0, Y6
	VMULPS  Y2, Y1, Y7
	VADDPS  Y7, Y6, Y6         // im(w*x)
	VMULPS  Y2, Y2, Y2
	VMULPS  Y3, Y3, Y3
	VADDPS  Y3, Y2, Y2
	VMULPS  (R10)(AX*4), Y2, Y2
	VADDPS  (R11)(AX*4), Y4, Y4
	VMOVUPS Y4, (R11)(AX*4)
	VADDPS  PART(R11)(AX*4), Y6, Y6
	VMOVUPS Y6, PART(R11)(AX*4)
	VADDPS  (R12)(AX*4), Y2, Y2
	VMOVUPS Y2, (R12)(AX*4)
	ADDQ    $8, AX
	CMPQ    AX, $104
	JNE     taps
	VZEROUPPER
	RET

// func innovate8(m, y *Spectrum, psi, reach *Values, e, gain *Spectrum)
TEXT ·innovate8(SB), NOSPLIT, $0-48
	MOVQ         m+0(FP), R8
	MOVQ         y+8(FP), R9
	MOVQ         psi+16(FP), R10
	MOVQ         reach+24(FP), R11
	MOVQ         e+32(FP), R12
	MOVQ         gain+40(FP), R13
	VBROADCASTSS pace<>(SB), Y8
	VBROADCASTSS tiny<>(SB), Y9
	VBROADCASTSS one<>(SB), Y10
	XORQ         AX, AX

gains:
	VMOVUPS (R8)(AX*4), Y0
	VMOVUPS PART(R8)(AX*4), Y1
	VSUBPS  (R9)(AX*4), Y0, Y0
	VSUBPS  PART(R9)(AX*4), Y1, Y1
	VMOVUPS Y0, (R12)(AX*4)
	VMOVUPS Y1, PART(R12)(AX*4)
	VMULPS  Y0, Y0, Y2
	VMULPS  Y1, Y1, Y3
	VADDPS  Y3, Y2, Y2
	VMOVUPS (R10)(AX*4), Y4     // psi
	VSUBPS  Y4, Y2, Y2
	VMULPS  Y8, Y2, Y2
	VADDPS  Y2, Y4, Y4
	VMOVUPS Y4, (R10)(AX*4)
	VADDPS  (R11)(AX*4), Y4, Y4
	VADDPS  Y9, Y4, Y4
	VDIVPS  Y4, Y10, Y5
	VMOVUPS Y5, (R11)(AX*4)
	VMULPS  Y5, Y0, Y0
	VMULPS  Y5, Y1, Y1
	VMOVUPS Y0, (R13)(AX*4)
	VMOVUPS Y1, PART(R13)(AX*4)
	ADDQ    $8, AX
	CMPQ    AX, $104
	JNE     gains
	VZEROUPPER
	RET

// func adapt8(w, x *Spectrum, p *Values, gain *Spectrum, inv *Values)
TEXT ·adapt8(SB), NOSPLIT, $0-40
	MOVQ         w+0(FP), R8
	MOVQ         x+8(FP), R9
	MOVQ         p+16(FP), R10
	MOVQ         gain+24(FP), R11
	MOVQ         inv+32(FP), R12
	VBROADCASTSS half<>(SB), Y12
	VBROADCASTSS forget<>(SB), Y13
	VBROADCASTSS renew<>(SB), Y14
	VBROADCASTSS least<>(SB), Y15
	XORQ         AX, AX

adapts:
	VMOVUPS (R9)(AX*4), Y0      // x
	VMOVUPS PART(R9)(AX*4), Y1
	VMOVUPS (R11)(AX*4), Y2     // gain
	VMOVUPS PART(R11)(AX*4), Y3
	VMOVUPS (R10)(AX*4), Y4     // p
	VMULPS  Y2, Y0, Y5
	VMULPS  Y3, Y1, Y6
	VADDPS  Y6, Y5, Y5
	VMULPS  Y5, Y4, Y5
	VADDPS  (R8)(AX*4), Y5, Y5  // re(w)
	VMULPS  Y3, Y0, Y6
	VMULPS  Y2, Y1, Y7
	VSUBPS  Y7, Y6, Y6
	VMULPS  Y6, Y4, Y6
	VADDPS  PART(R8)(AX*4), Y6, Y6
	VMOVUPS Y5, (R8)(AX*4)
	VMOVUPS Y6, PART(R8)(AX*4)
	VMULPS  Y0, Y0, Y0
	VMULPS  Y1, Y1, Y1
	VADDPS  Y1, Y0, Y0          // |x|^2
	VMULPS  Y12, Y4, Y7
	VMULPS  Y4, Y7, Y7
	VMULPS  Y0, Y7, Y7
	VMULPS  (R12)(AX*4), Y7, Y7
	VSUBPS  Y7, Y4, Y4
	VMULPS  Y13, Y4, Y4
	VMULPS  Y5, Y5, Y5
	VMULPS  Y6, Y6, Y6
	VADDPS  Y6, Y5, Y5
	VMULPS  Y14, Y5, Y5
	VADDPS  Y5, Y4, Y4
	VMAXPS  Y15, Y4, Y4
	VMOVUPS Y4, (R10)(AX*4)
	ADDQ    $8, AX
	CMPQ    AX, $104
	JNE     adapts
	VZEROUPPER
	RET

// func correlate8(rows *[Levels]float32, now *[Levels]float32, out *float32, n int)
TEXT ·correlate8(SB), NOSPLIT, $0-32
	MOVQ    rows+0(FP), SI
	MOVQ    now+8(FP), DX
	MOVQ    out+16(FP), DI
	MOVQ    n+24(FP), CX
	VMOVUPS (DX), Y2
	VMOVUPS 32(DX), Y3

rows:
	VMULPS (SI), Y2, Y0
	VMULPS 32(SI), Y3, Y1
	VADDPS Y1, Y0, Y0
	LADDER
	VMOVSS X0, (DI)
	ADDQ   $64, SI
	ADDQ   $4, DI
	DECQ   CX
	JNZ    rows
	VZEROUPPER
	RET
