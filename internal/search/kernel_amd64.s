#include "textflag.h"

// The kernels process eight items at a time. SI, DI and R8-R13 point to their codes,
// AX and BX to the query's codes and their magnitudes, CX is the offset in all of
// them, DX the number of codes of an item, a multiple of 32. Y0-Y7 hold the sums, Y15
// sixteen ones of 16 bits. The sum of two products of codes is at most 2·127², so
// VPMADDUBSW does not saturate.

#define ADD32(item, sum) \
	VMOVDQU    (item)(CX*1), Y10; \
	VPSIGNB    Y8, Y10, Y10; \
	VPMADDUBSW Y10, Y9, Y10; \
	VPMADDWD   Y15, Y10, Y10; \
	VPADDD     Y10, sum, sum

#define CLEAR \
	VPXOR Y0, Y0, Y0; \
	VPXOR Y1, Y1, Y1; \
	VPXOR Y2, Y2, Y2; \
	VPXOR Y3, Y3, Y3; \
	VPXOR Y4, Y4, Y4; \
	VPXOR Y5, Y5, Y5; \
	VPXOR Y6, Y6, Y6; \
	VPXOR Y7, Y7, Y7; \
	XORQ  CX, CX

#define ADD8 \
	VMOVDQU (AX)(CX*1), Y8; \
	VMOVDQU (BX)(CX*1), Y9; \
	ADD32(SI, Y0); \
	ADD32(DI, Y1); \
	ADD32(R8, Y2); \
	ADD32(R9, Y3); \
	ADD32(R10, Y4); \
	ADD32(R11, Y5); \
	ADD32(R12, Y6); \
	ADD32(R13, Y7); \
	ADDQ    $32, CX; \
	CMPQ    CX, DX

// REDUCE sets Y0 to the sums of Y0, Y1, …, Y7.
#define REDUCE \
	VPHADDD    Y1, Y0, Y0; \
	VPHADDD    Y3, Y2, Y2; \
	VPHADDD    Y5, Y4, Y4; \
	VPHADDD    Y7, Y6, Y6; \
	VPHADDD    Y2, Y0, Y0; \
	VPHADDD    Y6, Y4, Y4; \
	VPERM2I128 $0x20, Y4, Y0, Y1; \
	VPERM2I128 $0x31, Y4, Y0, Y2; \
	VPADDD     Y2, Y1, Y0

// func scanAVX2(codes, q, magnitudes *int8, stride, eights int, scores *int32)
TEXT ·scanAVX2(SB), NOSPLIT, $0-48
	MOVQ     codes+0(FP), SI
	MOVQ     q+8(FP), AX
	MOVQ     magnitudes+16(FP), BX
	MOVQ     stride+24(FP), DX
	MOVQ     scores+40(FP), R15
	VPCMPEQW Y15, Y15, Y15
	VPSRLW   $15, Y15, Y15

eight:
	LEAQ (SI)(DX*1), DI
	LEAQ (DI)(DX*1), R8
	LEAQ (R8)(DX*1), R9
	LEAQ (R9)(DX*1), R10
	LEAQ (R10)(DX*1), R11
	LEAQ (R11)(DX*1), R12
	LEAQ (R12)(DX*1), R13
	CLEAR

add:
	ADD8
	JLT     add
	REDUCE
	VMOVDQU Y0, (R15)
	ADDQ    $32, R15
	LEAQ    (R13)(DX*1), SI
	DECQ    eights+32(FP)
	JNZ     eight
	VZEROUPPER
	RET

// func gatherAVX2(codes, q, magnitudes *int8, stride int, positions *uint32, eights int, scores *int32)
TEXT ·gatherAVX2(SB), NOSPLIT, $0-56
	MOVQ     q+8(FP), AX
	MOVQ     magnitudes+16(FP), BX
	MOVQ     stride+24(FP), DX
	MOVQ     positions+32(FP), R15
	VPCMPEQW Y15, Y15, Y15
	VPSRLW   $15, Y15, Y15

	// The items are far apart: their first cache lines are loaded together.
	MOVQ codes+0(FP), CX
	MOVQ eights+40(FP), DI
	SHLQ $3, DI
	MOVQ R15, R8
	MOVQ $256, R9
	CMPQ DX, R9
	JGE  item
	MOVQ DX, R9

item:
	MOVL  (R8), SI
	IMULQ DX, SI
	ADDQ  CX, SI
	XORQ  R10, R10

line:
	PREFETCHT0 (SI)(R10*1)
	ADDQ       $64, R10
	CMPQ       R10, R9
	JLT        line
	ADDQ       $4, R8
	DECQ       DI
	JNZ        item

eight:
	MOVQ  codes+0(FP), CX
	MOVL  (R15), SI
	MOVL  4(R15), DI
	MOVL  8(R15), R8
	MOVL  12(R15), R9
	MOVL  16(R15), R10
	MOVL  20(R15), R11
	MOVL  24(R15), R12
	MOVL  28(R15), R13
	IMULQ DX, SI
	IMULQ DX, DI
	IMULQ DX, R8
	IMULQ DX, R9
	IMULQ DX, R10
	IMULQ DX, R11
	IMULQ DX, R12
	IMULQ DX, R13
	ADDQ  CX, SI
	ADDQ  CX, DI
	ADDQ  CX, R8
	ADDQ  CX, R9
	ADDQ  CX, R10
	ADDQ  CX, R11
	ADDQ  CX, R12
	ADDQ  CX, R13
	CLEAR

add:
	ADD8
	JLT     add
	REDUCE
	MOVQ    scores+48(FP), SI
	VMOVDQU Y0, (SI)
	ADDQ    $32, SI
	MOVQ    SI, scores+48(FP)
	ADDQ    $32, R15
	DECQ    eights+40(FP)
	JNZ     eight
	VZEROUPPER
	RET

// func markAVX2(scores, floors *int32, n int, masks *uint32)
TEXT ·markAVX2(SB), NOSPLIT, $0-32
	MOVQ scores+0(FP), SI
	MOVQ floors+8(FP), R8
	MOVQ n+16(FP), R9
	MOVQ masks+24(FP), R10

block:
	VPBROADCASTD (R8), Y3

	// The inverted mask of the items with a sum below the floor.
	VPCMPGTD  (SI), Y3, Y4
	VPCMPGTD  32(SI), Y3, Y5
	VPCMPGTD  64(SI), Y3, Y6
	VMOVMSKPS Y4, AX
	VMOVMSKPS Y5, BX
	VMOVMSKPS Y6, DX
	SHLL      $8, BX
	SHLL      $16, DX
	ORL       BX, AX
	ORL       DX, AX
	XORL      $0xffffff, AX
	MOVL      AX, (R10)
	ADDQ      $96, SI
	ADDQ      $4, R8
	ADDQ      $4, R10
	DECQ      R9
	JNZ       block
	VZEROUPPER
	RET
