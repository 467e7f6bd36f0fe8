#pragma once

/* What a YAML file on a command line is, told by its top-level keys. */

#include "base/yaml.h"

typedef enum FileKind { KIND_RULES, KIND_NOTIFY, KIND_TESTS, KIND_CONFIG } FileKind;

/* By the top-level keys of the first document. */
FileKind file_kind(const YamlNode *root);
