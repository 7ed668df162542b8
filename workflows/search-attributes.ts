import { defineSearchAttributeKey, SearchAttributeType } from '@temporalio/common'

/**
 * The columns of the Temporal UI, and what `visibility` answers questions with. SQL stores have room for ten Keyword,
 * three KeywordList, three Datetime and three Int attributes in a namespace: this table takes six, one, two and one.
 */
export const searchAttributes = {
  name: defineSearchAttributeKey('name', SearchAttributeType.KEYWORD),
  project: defineSearchAttributeKey('project', SearchAttributeType.KEYWORD),
  protection: defineSearchAttributeKey('protection', SearchAttributeType.KEYWORD),
  consistency: defineSearchAttributeKey('consistency', SearchAttributeType.KEYWORD),
  phase: defineSearchAttributeKey('phase', SearchAttributeType.KEYWORD),
  policy: defineSearchAttributeKey('policy', SearchAttributeType.KEYWORD),
  target: defineSearchAttributeKey('target', SearchAttributeType.KEYWORD_LIST),
  verified: defineSearchAttributeKey('verified', SearchAttributeType.DATETIME),
  due: defineSearchAttributeKey('due', SearchAttributeType.DATETIME),
  points: defineSearchAttributeKey('points', SearchAttributeType.INT),
} as const
