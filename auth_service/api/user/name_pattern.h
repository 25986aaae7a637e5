#pragma once
/*
 * What people and keys are called: one line in which something is seen, and nothing that turns the text around it (the
 * embeddings, overrides and isolates of UAX 9) or breaks a line in a letter, a list or a log. For field.pattern.
 */
#define NAME_PATTERN "^(?=.*[\\p{L}\\p{N}\\p{P}\\p{S}])[^\\p{Cc}\\p{Zl}\\p{Zp}\\x{202A}-\\x{202E}\\x{2066}-\\x{2069}]+$"
