export type { IoRedisClient, NodeRedisClient, RedisClient } from './client.js'
export { createIntrospectionCache, type IntrospectionCacheOptions } from './introspection-cache.js'
export type { StoreOptions } from './options.js'
export { createReplayStore, type ReplayStoreOptions } from './replay-store.js'
