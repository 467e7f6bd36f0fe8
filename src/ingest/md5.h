#pragma once

/* MD5 (RFC 1321): only because Prometheus' `hashmod` is defined by it, and shards would move under
 * any other hash. */

#include <stdint.h>

#include "base/str.h"

void md5(Str bytes, uint8_t digest[16]);
