#pragma once

#include "base/hash.h"

/* hash128() where CPU_HAS("avx2"). */
Hash128 hash128_avx2(Str bytes);
