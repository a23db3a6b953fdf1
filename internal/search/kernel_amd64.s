#include "textflag.h"

// func scanAVX2(codes, q, magnitudes *int8, groups, n int, floors *int32, masks *uint32, scores *int32)
//
// Y0-Y2 hold the sums of 24 items, Y15 sixteen ones of 16 bits. The sum of two
// products of codes is at most 2·127², so VPMADDUBSW does not saturate.
TEXT ·scanAVX2(SB), NOSPLIT, $0-64
	MOVQ codes+0(FP), SI
	MOVQ q+8(FP), R8
	MOVQ magnitudes+16(FP), R9
	MOVQ groups+24(FP), R10
	MOVQ n+32(FP), R11
	MOVQ floors+40(FP), R12
	MOVQ masks+48(FP), R13
	MOVQ scores+56(FP), DI
	VPCMPEQW Y15, Y15, Y15
	VPSRLW   $15, Y15, Y15

block:
	VPXOR Y0, Y0, Y0
	VPXOR Y1, Y1, Y1
	VPXOR Y2, Y2, Y2
	XORQ  CX, CX

group:
	VPBROADCASTD (R8)(CX*4), Y3
	VPBROADCASTD (R9)(CX*4), Y4
	VMOVDQU      (SI), Y5
	VMOVDQU      32(SI), Y6
	VMOVDQU      64(SI), Y7
	VPSIGNB      Y3, Y5, Y5
	VPSIGNB      Y3, Y6, Y6
	VPSIGNB      Y3, Y7, Y7
	VPMADDUBSW   Y5, Y4, Y5
	VPMADDUBSW   Y6, Y4, Y6
	VPMADDUBSW   Y7, Y4, Y7
	VPMADDWD     Y15, Y5, Y5
	VPMADDWD     Y15, Y6, Y6
	VPMADDWD     Y15, Y7, Y7
	VPADDD       Y5, Y0, Y0
	VPADDD       Y6, Y1, Y1
	VPADDD       Y7, Y2, Y2
	ADDQ         $96, SI
	INCQ         CX
	CMPQ         CX, R10
	JLT          group

	VMOVDQU      Y0, (DI)
	VMOVDQU      Y1, 32(DI)
	VMOVDQU      Y2, 64(DI)
	VPBROADCASTD (R12), Y3

	// The inverted mask of the items with a sum below the floor.
	VPCMPGTD  Y0, Y3, Y4
	VPCMPGTD  Y1, Y3, Y5
	VPCMPGTD  Y2, Y3, Y6
	VMOVMSKPS Y4, AX
	VMOVMSKPS Y5, BX
	VMOVMSKPS Y6, DX
	SHLL      $8, BX
	SHLL      $16, DX
	ORL       BX, AX
	ORL       DX, AX
	XORL      $0xffffff, AX
	MOVL      AX, (R13)

	ADDQ $4, R12
	ADDQ $4, R13
	ADDQ $96, DI
	DECQ R11
	JNZ  block
	VZEROUPPER
	RET

// func dotAVX2(x, q *float32, n int) float32
TEXT ·dotAVX2(SB), NOSPLIT, $0-28
	MOVQ   x+0(FP), SI
	MOVQ   q+8(FP), DI
	MOVQ   n+16(FP), CX
	VXORPS Y0, Y0, Y0
	VXORPS Y1, Y1, Y1
	VXORPS Y2, Y2, Y2
	VXORPS Y3, Y3, Y3

wide:
	SUBQ        $32, CX
	JLT         narrow
	VMOVUPS     (SI), Y4
	VMOVUPS     32(SI), Y5
	VMOVUPS     64(SI), Y6
	VMOVUPS     96(SI), Y7
	VFMADD231PS (DI), Y4, Y0
	VFMADD231PS 32(DI), Y5, Y1
	VFMADD231PS 64(DI), Y6, Y2
	VFMADD231PS 96(DI), Y7, Y3
	ADDQ        $128, SI
	ADDQ        $128, DI
	JMP         wide

narrow:
	ADDQ   $32, CX
	VADDPS Y1, Y0, Y0
	VADDPS Y3, Y2, Y2
	VADDPS Y2, Y0, Y0

eight:
	SUBQ        $8, CX
	JLT         sum
	VMOVUPS     (SI), Y4
	VFMADD231PS (DI), Y4, Y0
	ADDQ        $32, SI
	ADDQ        $32, DI
	JMP         eight

sum:
	ADDQ         $8, CX
	VEXTRACTF128 $1, Y0, X1
	VADDPS       X1, X0, X0
	VHADDPS      X0, X0, X0
	VHADDPS      X0, X0, X0

one:
	SUBQ        $1, CX
	JLT         done
	VMOVSS      (SI), X4
	VMOVSS      (DI), X5
	VFMADD231SS X5, X4, X0
	ADDQ        $4, SI
	ADDQ        $4, DI
	JMP         one

done:
	VMOVSS X0, ret+24(FP)
	VZEROUPPER
	RET

// func prefetch(vector *float32, n int)
TEXT ·prefetch(SB), NOSPLIT, $0-16
	MOVQ vector+0(FP), SI
	MOVQ n+8(FP), CX

line:
	PREFETCHT0 (SI)
	ADDQ       $64, SI
	SUBQ       $16, CX
	JGT        line
	RET
