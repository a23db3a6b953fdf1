#include "textflag.h"

// SDOT V<d>.4S, V<n>.16B, V<m>.16B, which the assembler does not support: Arm
// Architecture Reference Manual, "SDOT (vector)".
#define SDOT(m, n, d) WORD $(0x4E809400 | ((m)<<16) | ((n)<<5) | (d))

// The kernels process eight items at a time. R5-R12 point to their codes, R1 to the
// query's. V0-V7 hold the sums. R2 is the number of codes of an item, a multiple of
// 32.

#define ADD32(item, sum) \
	VLD1.P 32(item), [V18.B16, V19.B16]; \
	SDOT(16, 18, sum); \
	SDOT(17, 19, sum)

#define CLEAR \
	VEOR V0.B16, V0.B16, V0.B16; \
	VEOR V1.B16, V1.B16, V1.B16; \
	VEOR V2.B16, V2.B16, V2.B16; \
	VEOR V3.B16, V3.B16, V3.B16; \
	VEOR V4.B16, V4.B16, V4.B16; \
	VEOR V5.B16, V5.B16, V5.B16; \
	VEOR V6.B16, V6.B16, V6.B16; \
	VEOR V7.B16, V7.B16, V7.B16; \
	MOVD R1, R13; \
	MOVD R2, R14

#define ADD8 \
	VLD1.P 32(R13), [V16.B16, V17.B16]; \
	ADD32(R5, 0); \
	ADD32(R6, 1); \
	ADD32(R7, 2); \
	ADD32(R8, 3); \
	ADD32(R9, 4); \
	ADD32(R10, 5); \
	ADD32(R11, 6); \
	ADD32(R12, 7); \
	SUBS $32, R14

// REDUCE sets V0 and V1 to the sums of V0, V1, …, V7.
#define REDUCE \
	VADDP V1.S4, V0.S4, V0.S4; \
	VADDP V3.S4, V2.S4, V2.S4; \
	VADDP V5.S4, V4.S4, V4.S4; \
	VADDP V7.S4, V6.S4, V6.S4; \
	VADDP V2.S4, V0.S4, V0.S4; \
	VADDP V6.S4, V4.S4, V1.S4

// func scanNEON(codes, q *int8, stride, eights int, scores *int32)
TEXT ·scanNEON(SB), NOSPLIT, $0-40
	MOVD codes+0(FP), R5
	MOVD q+8(FP), R1
	MOVD stride+16(FP), R2
	MOVD eights+24(FP), R3
	MOVD scores+32(FP), R4

eight:
	ADD R2, R5, R6
	ADD R2, R6, R7
	ADD R2, R7, R8
	ADD R2, R8, R9
	ADD R2, R9, R10
	ADD R2, R10, R11
	ADD R2, R11, R12
	CLEAR

add:
	ADD8
	BNE    add
	REDUCE
	VST1.P [V0.B16, V1.B16], 32(R4)
	MOVD   R12, R5 // past the last item
	SUBS   $1, R3
	BNE    eight
	RET

// func gatherNEON(codes, q *int8, stride int, positions *uint32, eights int, scores *int32)
TEXT ·gatherNEON(SB), NOSPLIT, $0-48
	MOVD codes+0(FP), R0
	MOVD q+8(FP), R1
	MOVD stride+16(FP), R2
	MOVD positions+24(FP), R15
	MOVD eights+32(FP), R3
	MOVD scores+40(FP), R4

	// The items are far apart: their first cache lines are loaded together.
	LSL  $3, R3, R6
	MOVD R15, R7
	MOVD $256, R8
	CMP  R8, R2
	CSEL LT, R2, R8, R8

item:
	MOVWU.P 4(R7), R5
	MADD    R2, R0, R5, R5
	MOVD    R8, R9

line:
	PRFM (R5), PLDL1KEEP
	ADD  $64, R5
	SUBS $64, R9
	BGT  line
	SUBS $1, R6
	BNE  item

eight:
	MOVWU.P 4(R15), R5
	MOVWU.P 4(R15), R6
	MOVWU.P 4(R15), R7
	MOVWU.P 4(R15), R8
	MOVWU.P 4(R15), R9
	MOVWU.P 4(R15), R10
	MOVWU.P 4(R15), R11
	MOVWU.P 4(R15), R12
	MADD    R2, R0, R5, R5
	MADD    R2, R0, R6, R6
	MADD    R2, R0, R7, R7
	MADD    R2, R0, R8, R8
	MADD    R2, R0, R9, R9
	MADD    R2, R0, R10, R10
	MADD    R2, R0, R11, R11
	MADD    R2, R0, R12, R12
	CLEAR

add:
	ADD8
	BNE    add
	REDUCE
	VST1.P [V0.B16, V1.B16], 32(R4)
	SUBS   $1, R3
	BNE    eight
	RET
