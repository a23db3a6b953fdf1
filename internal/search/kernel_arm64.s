#include "textflag.h"

// SDOT V<d>.4S, V<n>.16B, V16.4B[0], which the assembler does not support: Arm
// Architecture Reference Manual, "SDOT (by element)".
#define SDOT(n, d) WORD $(0x4F90E000 | ((n)<<5) | (d))

// func scanNEON(codes, q *int8, groups, n int, scores *int32)
//
// V0-V5 hold the sums of 24 items, V16 the query's four codes.
TEXT ·scanNEON(SB), NOSPLIT, $0-40
	MOVD codes+0(FP), R0
	MOVD q+8(FP), R1
	MOVD groups+16(FP), R2
	MOVD n+24(FP), R3
	MOVD scores+32(FP), R4

block:
	VEOR V0.B16, V0.B16, V0.B16
	VEOR V1.B16, V1.B16, V1.B16
	VEOR V2.B16, V2.B16, V2.B16
	VEOR V3.B16, V3.B16, V3.B16
	VEOR V4.B16, V4.B16, V4.B16
	VEOR V5.B16, V5.B16, V5.B16
	MOVD R1, R5
	MOVD R2, R6

group:
	FMOVS  (R5), F16
	VLD1.P 64(R0), [V6.B16, V7.B16, V8.B16, V9.B16]
	VLD1.P 32(R0), [V10.B16, V11.B16]
	SDOT(6, 0)
	SDOT(7, 1)
	SDOT(8, 2)
	SDOT(9, 3)
	SDOT(10, 4)
	SDOT(11, 5)
	ADD    $4, R5
	SUBS   $1, R6
	BNE    group

	VST1.P [V0.B16, V1.B16, V2.B16, V3.B16], 64(R4)
	VST1.P [V4.B16, V5.B16], 32(R4)
	SUBS   $1, R3
	BNE    block
	RET

// func prefetch(vector *float32, n int)
TEXT ·prefetch(SB), NOSPLIT, $0-16
	MOVD vector+0(FP), R0
	MOVD n+8(FP), R1

line:
	PRFM (R0), PLDL1KEEP
	ADD  $64, R0
	SUBS $16, R1
	BGT  line
	RET
