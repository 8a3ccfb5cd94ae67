// Made by `npm run types` from the node's /api/v1/openapi.json. Do not edit.

export interface paths {
    "/api/v1/access/review": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Tells who can do what where the caller belongs, and when they last did. */
        get: operations["review_access"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/audit": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Lists records of the tenant's log; for an operator, of the platform's. */
        get: operations["list_audit"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/audit/checkpoint": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Shows what the log is now as the signed note alone (C2SP tlog-checkpoint), for
         *     programs that watch logs.
         */
        get: operations["get_audit_checkpoint"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/audit/export": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Exports records with everything that is needed to check them elsewhere: lines
         *     of JSON, of which the last is the signed head. That it was exported is
         *     recorded first.
         */
        get: operations["export_audit"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/audit/head": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Shows what the log is now, signed: whoever keeps it will see whether the log
         *     was changed or cut off since.
         */
        get: operations["get_audit_head"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/audit/proofs/consistency": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Proves that the log has only grown since it had an earlier size: whoever kept
         *     the head of then checks that nothing was changed.
         */
        get: operations["prove_audit_consistency"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/audit/proofs/inclusion": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Proves that the log has a record. */
        get: operations["prove_audit_inclusion"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/cluster": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Shows the cluster. */
        get: operations["get_cluster"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/cluster/nodes": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Lists the nodes. */
        get: operations["list_nodes"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/cluster/nodes/{node}/drain": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Keeps nothing new on a node: its shards move away, then it may be removed. */
        post: operations["drain_node"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/cluster/nodes/{node}/remove": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Lets a node go for good: one that was drained, or by force one that is dead. */
        post: operations["remove_node"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/cluster/nodes/{node}/undrain": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Lets a draining node hold shards again. */
        post: operations["undrain_node"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/cluster/rebalance": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Lets every shard be led by the node that should, as far as it has a replica. */
        post: operations["rebalance"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/cluster/shards": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Lists the shards, as the nodes know them that answer. */
        get: operations["list_shards"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/cluster/shards/{shard}/transfer": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Lets another replica lead a shard. */
        post: operations["transfer_shard"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/detections": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Lists recorded detections. Those about entities of the suppression list are
         *     left out, so that a page may have fewer than were asked for.
         */
        get: operations["list_detections"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/detections/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Shows one detection. */
        get: operations["get_detection"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/detections/{id}/feedback": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        /**
         * Says something of a detection: it is kept with it and learned from. Said
         *     again it changes nothing; something else said replaces it.
         */
        put: operations["put_feedback"];
        post?: never;
        /** Takes back what was said of a detection; its stream forgets what it taught. */
        delete: operations["delete_feedback"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/docs": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Shows the interface in a browser. */
        get: operations["get_docs"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/keys": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Lists the keys of the tenant, or of the platform. */
        get: operations["list_keys"];
        put?: never;
        /** Makes a key. */
        post: operations["create_key"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/keys/{key}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Shows a key, without its secret. */
        get: operations["get_key"];
        put?: never;
        post?: never;
        /** Takes a key away at once, on every node. */
        delete: operations["delete_key"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/keys/{key}/rotate": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Replaces a key; the one until now stays good for a while, when that is asked. */
        post: operations["rotate_key"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/live": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Follows detections live: WebSocket on upgrade, else server-sent events. */
        get: operations["follow_detections"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/openapi.json": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Answers with the OpenAPI 3.1 document. */
        get: operations["get_openapi"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/plans": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Lists the plans that tenants may be on. */
        get: operations["list_plans"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/producers": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Opens a producer: a new epoch that fences off its earlier incarnations. */
        post: operations["open_producer"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/roles": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Lists the roles. */
        get: operations["list_roles"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/roles/{role}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        /** Makes a role, or changes what one allows, at once for everybody who has it. */
        put: operations["put_role"];
        post?: never;
        /** Takes a role away that nobody has. */
        delete: operations["delete_role"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/sessions": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Lists one's own sessions. */
        get: operations["list_sessions"];
        put?: never;
        /** Logs in. */
        post: operations["create_session"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/sessions/{session}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /**
         * Ends a session at once, on every node: one's own, or, with `users:delete`,
         *     another user's.
         */
        delete: operations["delete_session"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/stats": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Shows the counts of the node and of the cluster. */
        get: operations["get_stats"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/streams": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Lists the streams. */
        get: operations["list_streams"];
        put?: never;
        /** Creates a stream. */
        post: operations["create_stream"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/streams/{stream}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Shows a stream. */
        get: operations["get_stream"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/streams/{stream}/config": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        /** Replaces what a stream says itself of its configuration. */
        put: operations["put_stream_config"];
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/streams/{stream}/config/history": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Lists what a stream said of its configuration. */
        get: operations["list_stream_config_history"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/streams/{stream}/config/revert": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Makes a stream say again what it said at an earlier revision. */
        post: operations["revert_stream_config"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/streams/{stream}/config/validate": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Tells what would follow from a configuration, and changes nothing. */
        post: operations["validate_stream_config"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/streams/{stream}/entities/{entity}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Shows what was learned of an entity: what is normal, each detector's state,
         *     counts and warm-up.
         */
        get: operations["get_entity"];
        put?: never;
        post?: never;
        /** Forgets what was learned of an entity; its detections stay. */
        delete: operations["reset_entity"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/streams/{stream}/entities/{entity}/config": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Shows what an entity has different from its stream. */
        get: operations["get_entity_config"];
        /** Sets what an entity has different from its stream; it need not have been seen. */
        put: operations["put_entity_config"];
        post?: never;
        /** Lets an entity be judged like all others of its stream again. */
        delete: operations["delete_entity_config"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/streams/{stream}/entities/{entity}/series": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Shows an entity's recent values, expected band and scores. */
        get: operations["get_series"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/streams/{stream}/events": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Writes events: answers once they are durable. */
        post: operations["write_events"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/streams/{stream}/overrides": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Lists the entities that have a configuration of their own. */
        get: operations["list_entity_configs"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/streams/{stream}/score": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Writes events and answers with each one's score and explanation. */
        post: operations["score_events"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/suppressions": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Lists the suppression list. */
        get: operations["list_suppressions"];
        put?: never;
        /**
         * Adds an entity to the suppression list: what is detected about it is not
         *     told from now on.
         */
        post: operations["create_suppression"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/suppressions/{suppression}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /**
         * Takes an entry off the suppression list: what was recorded meanwhile is
         *     listed again.
         */
        delete: operations["delete_suppression"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/tenant": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Shows one's own tenant: its plan, what it may use, whether it is served. */
        get: operations["get_own_tenant"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/tenants": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Lists the tenants. */
        get: operations["list_tenants"];
        put?: never;
        /**
         * Makes a tenant, with who may administer it. Asked again after it was cut
         *     short, it goes on with a tenant that has nothing and nobody in it yet.
         */
        post: operations["create_tenant"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/tenants/{tenant}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Shows a tenant. */
        get: operations["get_tenant"];
        /**
         * Changes what a tenant may use, and whether it is served; at once, on every
         *     node.
         */
        put: operations["put_tenant"];
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/usage": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Shows how many events were admitted, by stream and day. What the last
         *     seconds brought may be missing yet.
         */
        get: operations["get_usage"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/users": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Lists the users of the tenant; for an operator, the operators. */
        get: operations["list_users"];
        put?: never;
        /** Makes a user. */
        post: operations["create_user"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/users/{user}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Shows a user. */
        get: operations["get_user"];
        /**
         * Changes what a user may do, or whether they may log in; the last
         *     administrator stays one.
         */
        put: operations["put_user"];
        post?: never;
        /** Forgets a user and ends their sessions; the last administrator stays. */
        delete: operations["delete_user"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/users/{user}/password": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Draws a new password for a user who has lost theirs; their sessions end. */
        post: operations["reset_password"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/whoami": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Says who asks, and what they may do. */
        get: operations["get_whoami"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/whoami/password": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        /** Changes one's own password; every other session of the user ends. */
        put: operations["put_own_password"];
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/livez": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Answers 200 while the process runs. */
        get: operations["get_livez"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/metrics": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Answers with every metric in Prometheus' text format. */
        get: operations["get_metrics"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/problems": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Lists every problem and every reason for refusing an event. */
        get: operations["list_problems"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/problems/{code}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Describes one problem. */
        get: operations["get_problem"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/readyz": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Answers 200 when the node serves in full, else 503 with what is missing. */
        get: operations["get_readyz"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
}
export type webhooks = Record<string, never>;
export interface components {
    schemas: {
        /** @description Everybody who can do something. */
        AccessReview: {
            /** @description When it was so, RFC 3339. */
            at: string;
            /** @description Everybody: users by name, keys by age, operators. */
            items: components["schemas"]["AccessView"][];
        };
        /** @description Somebody who can do something. */
        AccessView: {
            /** @description Names the user or the key. */
            id: string;
            /** @description `user`, `key`, or `operator` for one who looks in by a grant. */
            kind: string;
            /**
             * @description When they last did anything, RFC 3339: users and operators when they logged
             *     in, keys by day; absent for never.
             */
            last?: string | null;
            /**
             * @description By what the user logs in, or what the key is called; an operator's own
             *     name is the platform's.
             */
            name?: string | null;
            /** @description What they may do now, by their roles or key and the tenant's standing. */
            permissions: string[];
            /** @description Why an operator was let in. */
            reason?: string | null;
            /** @description A user's roles. */
            roles: string[];
            /** @description The only streams that they may touch; absent for all. */
            streams?: string[] | null;
            /** @description From when on they may not any more, RFC 3339; absent for no such time. */
            until?: string | null;
        };
        /** @description The first who may administer a tenant. */
        AdministratorView: {
            /** @description Names the user. */
            id: string;
            /** @description By what they log in. */
            login: string;
            /** @description The password that was drawn; shown once. */
            password?: string | null;
        };
        /** @description What is known of an event under one name. */
        AttributeBody: string | number | boolean;
        /** @description A session that has begun. */
        BegunView: {
            /** @description From when on it is over whatever happens, RFC 3339. */
            expires: string;
            /** @description Names the session. */
            id: string;
            /**
             * Format: int64
             * @description How long it may be unused, seconds.
             */
            idle_seconds: number;
            /** @description Send it as `Authorization: Bearer`; shown once, and not with a cookie. */
            token?: string | null;
        };
        /** @description What an entity is like: moments of recent buckets against the past. */
        BehaviouralDocument: {
            /** @description Whether it runs. */
            enabled?: boolean | null;
            /**
             * Format: double
             * @description Closed buckets that the past averages.
             */
            past_buckets?: number | null;
            /**
             * Format: double
             * @description Closed buckets that are recent.
             */
            recent_buckets?: number | null;
            threshold?: components["schemas"]["ThresholdDocument"] | null;
            /**
             * Format: double
             * @description Its weight against the other detectors.
             */
            weight?: number | null;
        };
        /** @description Time between events (EWMA and two-sided CUSUM). */
        BurstDocument: {
            /**
             * Format: double
             * @description How fast the mean follows, per event.
             */
            alpha?: number | null;
            /** @description Whether it runs. */
            enabled?: boolean | null;
            /**
             * Format: double
             * @description Deviation that the running sum lets pass, standard deviations.
             */
            slack?: number | null;
            threshold?: components["schemas"]["ThresholdDocument"] | null;
            /**
             * Format: double
             * @description Its weight against the other detectors.
             */
            weight?: number | null;
        };
        /** @description When people are usually at work. */
        BusinessHoursDocument: {
            /** @description Working days: mon, tue, wed, thu, fri, sat, sun. */
            days?: string[] | null;
            /** @description When work begins, `HH:MM`. */
            from?: string | null;
            /** @description When it ends, `HH:MM`; before `from` means on the next day. */
            to?: string | null;
            /**
             * Format: int32
             * @description Offset of local time from UTC, minutes; times in explanations and dates of
             *     the calendar are local. Summer time is not known.
             */
            utc_offset_minutes?: number | null;
        };
        /** @description Something that is known to happen. */
        CalendarEventDocument: {
            every?: components["schemas"]["EveryDocument"] | null;
            /** @description When it begins: a date or an RFC 3339 time. */
            from: string;
            /** @description What it is called. */
            name: string;
            /** @description When it ends: a date, whose day still belongs to it, or an RFC 3339 time. */
            to: string;
        };
        /** @description Number of distinct attribute values per window (HyperLogLog). */
        CardinalityDocument: {
            /** @description Whether it runs. */
            enabled?: boolean | null;
            /**
             * @description Whether an entity never seen before may be a detection, in streams that
             *     seldom have new ones; null does so in streams of log lines alone.
             */
            new_entities?: boolean | null;
            /**
             * Format: int32
             * @description Registers, as a power of two.
             */
            precision?: number | null;
            threshold?: components["schemas"]["ThresholdDocument"] | null;
            /**
             * Format: double
             * @description Its weight against the other detectors.
             */
            weight?: number | null;
        };
        /** @description Since when a series is as it is (Bayesian online change-point detection). */
        ChangePointDocument: {
            /** @description Whether it runs. */
            enabled?: boolean | null;
            /**
             * Format: double
             * @description Closed buckets between changes, as expected on average.
             */
            gap_buckets?: number | null;
            threshold?: components["schemas"]["ThresholdDocument"] | null;
            /**
             * Format: double
             * @description Its weight against the other detectors.
             */
            weight?: number | null;
        };
        /** @description One difference between two configurations. */
        ChangeView: {
            /** @description What is said there now; absent when nothing is. */
            after?: unknown;
            /** @description What was said there before; absent when nothing was. */
            before?: unknown;
            /** @description Where: a JSON pointer (RFC 6901). */
            path: string;
        };
        /** @description A circumstance, and how much it has to do with the detection. */
        CircumstanceView: {
            /**
             * Format: double
             * @description How much it bears on the detection, 0..1.
             */
            relevance: number;
            /** @description One phrase. */
            text: string;
        };
        /**
         * @description Counts of all nodes that answered: each event is counted by the node that
         *     leads its shard, so that the sum counts it once.
         */
        ClusterCounts: {
            /**
             * Format: int64
             * @description Events refused as duplicates.
             */
            duplicate_events: number;
            /**
             * Format: int64
             * @description Events applied.
             */
            events: number;
            /**
             * Format: int64
             * @description Events refused as late.
             */
            late_events: number;
            /**
             * Format: int32
             * @description Nodes that answered.
             */
            nodes: number;
            /**
             * Format: int64
             * @description Profiles in memory now.
             */
            profiles: number;
            /**
             * Format: int64
             * @description Batches recognised as sent before.
             */
            repeated_batches: number;
            /** @description Nodes that did not answer in time: what they lead is missing here. */
            silent: string[];
        };
        /** @description The cluster. */
        ClusterView: {
            /** @description Its identity, 32 hexadecimal digits. */
            cluster: string;
            /** @description The node that leads the meta group. */
            leader: string;
            /** @description Nodes that only listen to it. */
            learners: string[];
            /** @description What still has to move until every shard is where it should be. */
            moves: components["schemas"]["MovesView"];
            /** @description The node that answers. */
            node: string;
            /**
             * Format: int64
             * @description The catalog's revision on the node that answers.
             */
            revision: number;
            /**
             * Format: int32
             * @description Into how many shards entities are divided.
             */
            shards: number;
            /**
             * Format: int64
             * @description In which term.
             */
            term: number;
            /** @description Nodes that vote in the meta group. */
            voters: string[];
        };
        /** @description Something that must be in order before the node serves. */
        Component: {
            /** @description What is missing, in words; absent when it is ready. */
            missing?: string | null;
            /** @description What it is: "storage", "meta group", "shard s3". */
            name: string;
            /** @description What is short although it is ready, in words; absent when nothing is. */
            short?: string | null;
        };
        /** @description How a stream's events are judged. Whatever is left out follows the defaults. */
        ConfigDocument: {
            business_hours?: components["schemas"]["BusinessHoursDocument"] | null;
            /** @description Known events, such as sales and holidays: said in explanations, change no score. */
            calendar?: components["schemas"]["CalendarEventDocument"][] | null;
            detectors?: components["schemas"]["DetectorsDocument"] | null;
            /** @description What single entities, by key, have different from the rest; at most 256. */
            entities?: {
                [key: string]: components["schemas"]["EntityDocument"];
            } | null;
            explain?: components["schemas"]["ExplainDocument"] | null;
            mapping?: components["schemas"]["MappingDocument"] | null;
            priority?: components["schemas"]["PriorityDocument"] | null;
            threshold?: components["schemas"]["ThresholdDocument"] | null;
            timing?: components["schemas"]["TimingDocument"] | null;
        };
        /** @description That the log continues what it was (RFC 6962, section 2.1.2). */
        ConsistencyView: {
            /**
             * Format: int64
             * @description The size that it had.
             */
            from: number;
            /** @description The hashes that lead from the root then to the root now, in base64. */
            hashes: string[];
            /** @description The log's signed head, which has the size and the root now. */
            head: string;
            /** @description The key that checks the head. */
            key: string;
        };
        /** @description One term of a score; the terms sum to the evidence. */
        ContributionView: {
            /**
             * @description Which test spoke: volume, distribution, cardinality, burst, spectral,
             *     change_point, forest, multi_scale, behavioural, drift.
             */
            detector: string;
            /**
             * Format: double
             * @description Its share of the evidence; may be negative.
             */
            evidence: number;
            /**
             * Format: double
             * @description What it expected, in the same unit.
             */
            expected: number;
            /** @description What it looked at: value, a named value, rate, gap, distinct. */
            feature: string;
            /**
             * Format: double
             * @description What it measured, in its own unit.
             */
            observed: number;
        };
        /** @description The smallest change that would have made it unremarkable. */
        CounterfactualView: {
            /** @description Which quantity to change. */
            feature: string;
            /**
             * Format: double
             * @description The score it would then have had.
             */
            score: number;
            /**
             * Format: double
             * @description What it should have been.
             */
            value: number;
        };
        /** @description A page of detections. */
        DetectionList: {
            /** @description The detections. */
            items: components["schemas"]["DetectionView"][];
            /** @description Send it as `cursor` for the next page; absent at the end. */
            next?: string | null;
        };
        /** @description An anomaly, with its explanation. */
        DetectionView: {
            /** @description What one might do. */
            actions: string[];
            /** @description The event's attributes. */
            attributes?: Record<string, never> | null;
            /** @description The same with how much each bears on the detection. */
            circumstances: components["schemas"]["CircumstanceView"][];
            /** @description Circumstances worth knowing, each one phrase, most relevant first. */
            context: string[];
            /** @description The terms of the score, largest first. */
            contributions: components["schemas"]["ContributionView"][];
            counterfactual?: components["schemas"]["CounterfactualView"] | null;
            /** @description The strongest test. */
            detector: string;
            /** @description above, below or changed. */
            direction: string;
            /**
             * Format: int32
             * @description The engine's version that made it.
             */
            engine: number;
            /** @description The entity's key. */
            entity: string;
            /**
             * Format: int64
             * @description Anomalous events or windows in it.
             */
            events: number;
            /**
             * Format: double
             * @description What the score is made of: the sum of the contributions.
             */
            evidence: number;
            expected?: components["schemas"]["ExpectedView"] | null;
            feedback?: components["schemas"]["FeedbackView"] | null;
            /** @description Its name, like `d17-1042-3`; never changes. */
            id: string;
            /** @description Event time of its newest anomalous event or window, RFC 3339. */
            last: string;
            /** @description Event time of the highest score, RFC 3339. */
            peaked: string;
            /**
             * Format: double
             * @description Share of past observations that were less extreme, 0..1.
             */
            percentile?: number | null;
            /** @description One plain sentence. */
            reason: string;
            /**
             * Format: int64
             * @description The configuration that made it: a catalog revision.
             */
            revision: number;
            /**
             * Format: double
             * @description Highest score, 0..1, calibrated.
             */
            score: number;
            /** @description low, medium, high or critical. */
            severity: string;
            /**
             * @description Up to five earlier detections of the entity that were like it, most alike
             *     first.
             */
            similar: components["schemas"]["SimilarView"][];
            /** @description Event time at which it began, RFC 3339. */
            started: string;
            /** @description `open` while it may still grow, then `closed`. */
            state: string;
            /** @description The stream's name. */
            stream: string;
            /**
             * Format: double
             * @description The threshold in force.
             */
            threshold: number;
            /**
             * Format: double
             * @description The value at the peak.
             */
            value: number;
        };
        /** @description One detector's state for one entity. */
        DetectorView: {
            /** @description Which. */
            detector: string;
            /** @description Off by configuration when false. */
            enabled: boolean;
            /**
             * Format: double
             * @description Its latest evidence.
             */
            evidence: number;
            /** @description What it has learned. */
            facts: components["schemas"]["FactView"][];
            /** @description Its warm-up. */
            warmup: components["schemas"]["WarmupView"];
            /**
             * Format: double
             * @description Its weight in the ensemble.
             */
            weight: number;
        };
        /** @description The detectors of a stream. */
        DetectorsDocument: {
            behavioural?: components["schemas"]["BehaviouralDocument"] | null;
            burst?: components["schemas"]["BurstDocument"] | null;
            cardinality?: components["schemas"]["CardinalityDocument"] | null;
            change_point?: components["schemas"]["ChangePointDocument"] | null;
            distribution?: components["schemas"]["DistributionDocument"] | null;
            drift?: components["schemas"]["DriftDocument"] | null;
            forest?: components["schemas"]["ForestDocument"] | null;
            multi_scale?: components["schemas"]["MultiScaleDocument"] | null;
            spectral?: components["schemas"]["SpectralDocument"] | null;
            volume?: components["schemas"]["VolumeDocument"] | null;
        };
        /** @description Values against a fading histogram of past ones. */
        DistributionDocument: {
            /** @description Whether it runs. */
            enabled?: boolean | null;
            /**
             * Format: double
             * @description Events after which an observation counts half.
             */
            half_life_events?: number | null;
            /**
             * Format: double
             * @description Largest value to be expected; a hint, above `min`.
             */
            max?: number | null;
            /**
             * Format: double
             * @description Smallest value to be expected; a hint.
             */
            min?: number | null;
            threshold?: components["schemas"]["ThresholdDocument"] | null;
            /**
             * Format: double
             * @description Its weight against the other detectors.
             */
            weight?: number | null;
        };
        /** @description A password that was drawn. */
        DrawnPassword: {
            /** @description The password; shown once, and absent when the request is repeated. */
            password?: string | null;
        };
        /** @description Whether a level has moved for good (adaptive windowing). */
        DriftDocument: {
            /**
             * Format: double
             * @description Probability of taking chance for a lasting change.
             */
            delta?: number | null;
            /** @description Whether it runs. */
            enabled?: boolean | null;
            threshold?: components["schemas"]["ThresholdDocument"] | null;
            /**
             * Format: double
             * @description Its weight against the other detectors.
             */
            weight?: number | null;
        };
        /**
         * @description The history of a stream's configuration, the newest first. The newest
         *     hundred are kept, within 128 KiB.
         */
        EditionList: {
            /** @description What it said. */
            items: components["schemas"]["EditionView"][];
        };
        /** @description What a stream said at one revision. */
        EditionView: {
            /** @description When, RFC 3339. */
            at: string;
            /** @description Who set it, as records name them. */
            by: string;
            /** @description What was different before; absent when the one before is not kept. */
            changes?: components["schemas"]["ChangeView"][] | null;
            /** @description Whether it is what the stream says now. */
            is_current: boolean;
            /**
             * @description By what that user logs in, or what that key is called; absent for others,
             *     and for who is gone.
             */
            name?: string | null;
            /** @description What it said. */
            own: components["schemas"]["ConfigDocument"];
            /** @description Why, in their words; may be empty. */
            reason: string;
            /**
             * Format: int64
             * @description The revision that set it.
             */
            revision: number;
        };
        /** @description What one entity has different of one detector. */
        EntityDetectorDocument: {
            /** @description Whether it runs; one that the stream has off runs with weight 1. */
            enabled?: boolean | null;
            threshold?: components["schemas"]["ThresholdDocument"] | null;
            /**
             * Format: double
             * @description Its weight against the other detectors.
             */
            weight?: number | null;
        };
        /** @description What one entity has different. Whatever is left out is the stream's. */
        EntityDocument: {
            /** @description Detectors that it has different, by name. */
            detectors?: {
                [key: string]: components["schemas"]["EntityDetectorDocument"];
            } | null;
            explain?: components["schemas"]["ExplainDocument"] | null;
            priority?: components["schemas"]["PriorityDocument"] | null;
            threshold?: components["schemas"]["ThresholdDocument"] | null;
        };
        /** @description What VIA has learned of one entity. */
        EntityView: {
            /** @description Each detector's state. */
            detectors: components["schemas"]["DetectorView"][];
            /** @description The entity's key. */
            entity: string;
            /**
             * Format: int64
             * @description Events applied.
             */
            events: number;
            /** @description Event time of the first event, RFC 3339. */
            first: string;
            /** @description Newest event time, RFC 3339. */
            last: string;
            /**
             * Format: int64
             * @description Events refused as late.
             */
            late: number;
            /** @description What is normal, in figures. */
            normal: components["schemas"]["FactView"][];
            /**
             * Format: double
             * @description Latest score, 0..1.
             */
            score: number;
            /** @description The stream's name. */
            stream: string;
            /** @description Whether it judges yet, else why not and how far it is. */
            warmup: components["schemas"]["WarmupView"];
        };
        /** @description An event, as documented; it is read without passing through this form. */
        EventBody: {
            /** @description What else is known: up to 64 texts, numbers or booleans, 4,096 bytes. */
            attributes?: {
                [key: string]: components["schemas"]["AttributeBody"];
            } | null;
            entity?: components["schemas"]["NameBody"] | null;
            timestamp?: components["schemas"]["TimeBody"] | null;
            unique_id?: components["schemas"]["NameBody"] | null;
            /**
             * Format: double
             * @description What was observed; finite. Left out: 1.
             */
            value?: number;
            /** @description Further named numbers, up to 64, judged together with the value. */
            values?: {
                [key: string]: number;
            } | null;
        };
        /** @description What a JSON body may be. */
        EventsBody: components["schemas"]["EventBody"] | components["schemas"]["EventBody"][];
        /**
         * @description How often a known event comes again.
         * @enum {string}
         */
        EveryDocument: "none" | "day" | "week" | "year";
        /** @description What was expected of a quantity. */
        ExpectedView: {
            /**
             * Format: double
             * @description Upper end of the normal range.
             */
            high: number;
            /**
             * Format: double
             * @description Lower end of the normal range.
             */
            low: number;
            /**
             * Format: double
             * @description The most likely figure.
             */
            value: number;
        };
        /**
         * @description How much of a detection is explained.
         * @enum {string}
         */
        ExplainDocument: "none" | "basic" | "full";
        /** @description One learned or measured figure. */
        FactView: {
            /** @description What it is: rate, mean, season period, …. */
            name: string;
            /** @description Of what; empty for the value's own unit. */
            unit: string;
            /**
             * Format: double
             * @description How much.
             */
            value: number;
        };
        /** @description What was said of a detection. */
        FeedbackView: {
            /** @description When, RFC 3339. */
            at: string;
            /** @description Who said it; empty when nobody is named. */
            author: string;
            /** @description What was said. */
            label: components["schemas"]["LabelWord"];
            /** @description In the author's words. */
            note: string;
        };
        /** @description Named values together against a sample of their past (random cut forest). */
        ForestDocument: {
            /** @description Whether it runs. */
            enabled?: boolean | null;
            threshold?: components["schemas"]["ThresholdDocument"] | null;
            /**
             * Format: double
             * @description Its weight against the other detectors.
             */
            weight?: number | null;
        };
        /** @description How much of a detector's evidence counts before and after a label. */
        GainView: {
            /**
             * Format: double
             * @description What it is multiplied by now.
             */
            after: number;
            /**
             * Format: double
             * @description What its evidence beyond the ordinary was multiplied by where it spoke
             *     alone, 0.5..1.5; 1 is untouched.
             */
            before: number;
            /** @description Which. */
            detector: string;
        };
        /** @description What a log is now. */
        HeadView: {
            /** @description Its size and root, as a signed note (C2SP). */
            head: string;
            /** @description The key that checks it. */
            key: string;
        };
        /** @description Asks for a leadership to move. */
        Heir: {
            /** @description The node that should lead, by id or name. */
            to: string;
        };
        /** @description That the log has a record (RFC 6962, section 2.1.1). */
        InclusionView: {
            /** @description The hashes that lead from its leaf to the root, in base64. */
            hashes: string[];
            /** @description The log's signed head, which has the size and the root. */
            head: string;
            /**
             * Format: int64
             * @description The record's place in the log.
             */
            index: number;
            /** @description The key that checks the head. */
            key: string;
            /**
             * @description The record, of whose bytes the leaf is the hash; absent when it is so old
             *     that only the leaf is kept.
             */
            text?: string | null;
        };
        /** @description Every key, the oldest first. */
        KeyList: {
            /** @description The keys. */
            items: components["schemas"]["KeyView"][];
        };
        /** @description A key, without its secret. */
        KeyView: {
            /** @description When it was made, RFC 3339. */
            created: string;
            /** @description Until when the one before is good too, RFC 3339; during a rotation. */
            earlier_until?: string | null;
            /** @description From when on it is good for nothing, RFC 3339; absent for never. */
            expires?: string | null;
            /** @description Names the key. */
            id: string;
            /** @description The key itself; shown once, when it is made or replaced. */
            key?: string | null;
            /** @description The last day on which it was used; absent for never. */
            last_used?: string | null;
            /** @description What it is called. */
            name: string;
            /** @description The only networks that it comes from; none for all. */
            networks: string[];
            /** @description What it allows. */
            permissions: string[];
            /** @description How it begins, which is no secret. */
            prefix: string;
            /**
             * Format: int64
             * @description The revision that set it; also the `ETag`.
             */
            revision: number;
            /** @description The only streams that it touches; absent for all. */
            streams?: string[] | null;
        };
        /**
         * @description What somebody says of a detection.
         * @enum {string}
         */
        LabelWord: "confirmed" | "false_alarm" | "expected";
        /** @description A detection that was labelled, and what that changed. */
        LabelledView: {
            /** @description The detection with what is said of it now. */
            detection: components["schemas"]["DetectionView"];
            /** @description What the label changed. */
            taught: components["schemas"]["TaughtView"];
        };
        /** @description One message of the live feed. */
        LiveMessage: {
            /** @description Resume here to miss nothing that comes from now on. */
            cursor: string;
            /** @enum {string} */
            type: "hello";
        } | {
            /** @description opened, grown, or labelled: somebody said something of it, or took it back. */
            change: string;
            /** @description Resume here to see only what follows. */
            cursor: string;
            /** @description The detection as it is now. */
            detection: components["schemas"]["DetectionView"];
            /** @enum {string} */
            type: "detection";
        } | {
            /** @description Resume here to see only what follows. */
            cursor: string;
            /** @enum {string} */
            type: "gap";
        };
        /** @description What is read out of an event's attributes. */
        MappingDocument: {
            /**
             * @description The attribute whose distinct values are counted; null counts all
             *     attributes together, or the value when there are none; of a log line,
             *     nothing.
             */
            distinct_of?: string | null;
            /**
             * @description Attributes whose values, joined by `/`, name the entity of an event that
             *     names none; empty refuses such events.
             */
            entity_from?: string[] | null;
            /**
             * @description The attribute that holds a log line, whose template is the entity of an
             *     event that names none; null means that events are no log lines.
             */
            line_from?: string | null;
            /** @description The attribute that says which service logs; null for one for all. */
            service_from?: string | null;
            /** @description The attribute that says how severe a line is; null for one for all. */
            severity_from?: string | null;
        };
        /** @description How short memory for profiles is on a node; counts are since it started. */
        MemoryView: {
            /**
             * Format: int64
             * @description Profiles that left memory for the disk.
             */
            evicted_profiles: number;
            /**
             * Format: int64
             * @description Bytes that profiles hold.
             */
            held_bytes: number;
            /** @description `normal`, `elevated`, `high` or `critical`. */
            level: string;
            /**
             * Format: int64
             * @description Bytes that they may hold.
             */
            limit_bytes: number;
            /** @description Events refused for want of room, by cause. */
            refused_events: components["schemas"]["RefusedView"];
        };
        /** @description A rule and its figure: exactly one of these. */
        MethodDocument: {
            /**
             * Format: double
             * @description Evidence above its own running mean by so many standard deviations.
             */
            ewma_sigma: number;
        } | {
            /**
             * Format: double
             * @description Evidence above this quantile of the entity's own past.
             */
            percentile: number;
        } | {
            /**
             * Format: double
             * @description Evidence above its running median by so many median absolute deviations.
             */
            mad: number;
        } | {
            /**
             * Format: double
             * @description The calibrated score at or above which it is a detection.
             */
            ensemble: number;
        } | {
            /**
             * Format: double
             * @description Detections allowed per entity and day while nothing is wrong.
             */
            budget: number;
        } | {
            /**
             * Format: double
             * @description Detections allowed per day of all entities together while nothing is wrong.
             */
            stream_budget: number;
        };
        /** @description How large a deviation has to be; both are asked of it. */
        MinDeviationDocument: {
            /**
             * Format: double
             * @description From the expected value, in its unit; 0 asks for none.
             */
            absolute?: number | null;
            /**
             * Format: double
             * @description From what was expected, in parts of it; 0 asks for none.
             */
            relative?: number | null;
        };
        /** @description What was moved. */
        MovedList: {
            /** @description The leaderships. */
            items: components["schemas"]["MovedView"][];
        };
        /** @description A leadership that was moved, or not. */
        MovedView: {
            /** @description What stood against it; absent when it was moved. */
            error?: string | null;
            /** @description Who led. */
            from: string;
            /** @description Which shard. */
            shard: string;
            /** @description Who should. */
            to: string;
        };
        /** @description What still has to move, as the nodes know it that answer. */
        MovesView: {
            /** @description Shards that another node leads than should. */
            leaders_to_move: number;
            /** @description Replicas that are missing where they should vote. */
            replicas_to_add: number;
            /** @description Replicas where there should be none. */
            replicas_to_remove: number;
        };
        /** @description The level at ten horizons from seconds to weeks. */
        MultiScaleDocument: {
            /** @description Whether it runs. */
            enabled?: boolean | null;
            threshold?: components["schemas"]["ThresholdDocument"] | null;
            /**
             * Format: double
             * @description Its weight against the other detectors.
             */
            weight?: number | null;
        };
        /** @description A name or an id. */
        NameBody: string | number;
        /** @description A label for a detection; the last one counts. */
        NewFeedback: {
            /** @description Who says it, at most 128 bytes; where it is known who asks, that counts. */
            author?: string;
            /** @description What is said. */
            label: components["schemas"]["LabelWord"];
            /** @description In the author's words, at most 2,048 bytes. */
            note?: string;
        };
        /** @description Asks for a key. */
        NewKey: {
            /** @description The environment, the second word in it; when left out, `live`. */
            env?: string | null;
            /** @description From when on it is good for nothing: RFC 3339; when left out, never. */
            expires?: string | null;
            /** @description What it is called: 1 to 128 characters of `[A-Za-z0-9._-]`. */
            name: string;
            /** @description The only networks that it comes from, like `10.0.0.0/8`; none for all. */
            networks?: string[];
            /** @description What it allows, like `events:write`: no more than who asks may do. */
            permissions: string[];
            /** @description The only streams that it touches; when left out, all. */
            streams?: string[] | null;
        };
        /** @description A password and the one to replace it with. */
        NewPassword: {
            /** @description The password until now. */
            current: string;
            /** @description 12 to 128 characters of any kind. */
            new: string;
        };
        /** @description Asks for a producer's next epoch. */
        NewProducer: {
            /** @description The source's own stable name: 1 to 128 characters of `[A-Za-z0-9._-]`. */
            name: string;
        };
        /** @description Asks for a key's replacement. */
        NewRotation: {
            /**
             * Format: int64
             * @description How long the key until now stays good, seconds; at most 30 days.
             */
            overlap_seconds?: number;
        };
        /** @description Who wants to log in. */
        NewSession: {
            /**
             * @description Whether the session is for a browser: its token is then set as a cookie
             *     that no script reads, and not shown.
             */
            cookie?: boolean;
            /** @description Whether it is an operator of the platform, who has no tenant. */
            operator?: boolean;
            /** @description The password. */
            password: string;
            /** @description The tenant's name; when left out, `default`. */
            tenant?: string | null;
            /** @description By what the user logs in. */
            user: string;
        };
        /** @description Asks for a stream. */
        NewStream: {
            config?: components["schemas"]["ConfigDocument"] | null;
            /** @description 1 to 128 characters of `[A-Za-z0-9._-]`, not beginning with a dot. */
            name: string;
        };
        /** @description Asks for an entry. One about the same entity of the same stream gives way. */
        NewSuppression: {
            /** @description The entity's key. */
            entity: string;
            /**
             * @description From when on it does not hold: RFC 3339; when left out, it holds until it is
             *     taken away.
             */
            expires?: string | null;
            /** @description Why: 1 to 512 bytes. */
            reason: string;
            /** @description In this stream; when left out, in all of the tenant's. */
            stream?: string | null;
        };
        /** @description Asks for a tenant. */
        NewTenant: {
            /** @description By what its first administrator logs in. */
            administrator: string;
            /** @description Its name, unique: 1 to 128 characters of `[A-Za-z0-9._-]`. */
            name: string;
            /** @description Whether its administrators need a second factor. */
            needs_second_factor?: boolean;
            /** @description Its plan, by name. */
            plan: string;
            /** @description What it has different from the plan. */
            quotas?: components["schemas"]["QuotasDocument"];
            /** @description The only region in which its data may lie; fixed once it is set. */
            region?: string | null;
        };
        /** @description Asks for a user. */
        NewUser: {
            /** @description By what they log in, unique within the tenant; mostly an e-mail address. */
            login: string;
            /** @description 12 to 128 characters; when left out, one is drawn, and shown once. */
            password?: string | null;
            /** @description What they may do: names of roles. */
            roles: string[];
        };
        /** @description Every node, by id; those that left are shown while their ids are remembered. */
        NodeList: {
            /** @description The nodes. */
            items: components["schemas"]["NodeView"][];
        };
        /** @description A node. */
        NodeView: {
            /** @description Where peers reach it. */
            addresses: string[];
            /**
             * Format: int32
             * @description Shards of which it has a replica, when that is known.
             */
            holds?: number | null;
            /** @description Its name. */
            name: string;
            /** @description Its id. */
            node: string;
            /** @description Shards of which it should have a replica. */
            placed: number;
            /** @description In the meta group: `leader`, `voter`, `learner` or `none`. */
            role?: string | null;
            /** @description Whether it answered the leader a moment ago. */
            seen?: boolean | null;
            /**
             * Format: int64
             * @description How long it has not answered the leader, milliseconds.
             */
            silence_ms?: number | null;
            /** @description `joining`, `active`, `draining`, `down` or `left`. */
            state: string;
            /** @description Which version it runs, when that is known. */
            version?: string | null;
            /** @description What fails together with it. */
            zone?: string | null;
        };
        /** @description Asks for something that needs no more words. */
        Nothing: Record<string, never>;
        /** @description Every entity of a stream that has something different, by key. */
        OverrideList: {
            /** @description The entities. */
            items: components["schemas"]["OverrideView"][];
            /**
             * Format: int64
             * @description The revision of the stream's configuration; also the `ETag`.
             */
            revision: number;
        };
        /** @description What one entity has different. */
        OverrideView: {
            /** @description What it has different; the rest is the stream's. */
            config: components["schemas"]["EntityDocument"];
            /** @description The entity's key. */
            entity: string;
        };
        /** @description Every plan. */
        PlanList: {
            /** @description The plans. */
            items: components["schemas"]["PlanView"][];
        };
        /** @description A plan that tenants may be on. */
        PlanView: {
            /** @description Its name. */
            name: string;
            /** @description What it gives. */
            quotas: components["schemas"]["QuotasDocument"];
            /**
             * Format: int64
             * @description The revision that set it; 0 for one as it is built in.
             */
            revision: number;
        };
        /** @description One bucket of an entity's recent past, or one of its first events. */
        PointView: {
            /** @description When the bucket began, RFC 3339. */
            at: string;
            /**
             * Format: double
             * @description Events in it.
             */
            count: number;
            /**
             * Format: double
             * @description The value expected.
             */
            expected: number;
            /**
             * Format: double
             * @description Upper end of the expected band.
             */
            high: number;
            /**
             * Format: double
             * @description Lower end of the expected band.
             */
            low: number;
            /**
             * Format: double
             * @description Largest value.
             */
            max: number;
            /**
             * Format: double
             * @description Their mean value.
             */
            mean: number;
            /**
             * Format: double
             * @description Smallest value.
             */
            min: number;
            /**
             * Format: double
             * @description Highest score in it, 0..1.
             */
            score: number;
            /**
             * Format: double
             * @description How long it was, seconds; 0 for an event.
             */
            width_secs: number;
        };
        /**
         * @description How much an entity matters.
         * @enum {string}
         */
        PriorityDocument: "low" | "normal" | "high";
        /** @description A failure, as in RFC 9457. */
        ProblemDocument: {
            /**
             * Format: int64
             * @description Events that were applied before the failure; with `unknown`.
             */
            accepted_before_failure?: number | null;
            /** @description The stable code. */
            code: string;
            /**
             * Format: int64
             * @description The configuration's revision now; with `stale_revision`.
             */
            current_revision?: number | null;
            /** @description What happened this time. */
            detail: string;
            /**
             * @description `rejected`: surely not applied, do not repeat. `retry`: surely not
             *     applied, repeat after `retry_after_ms`. `unknown`: may have been applied,
             *     repeat with the same sequence.
             */
            fate: string;
            /** @description Names the request in the node's log. */
            request_id: string;
            /**
             * Format: int64
             * @description How long to wait before repeating; with `retry`.
             */
            retry_after_ms?: number | null;
            /**
             * Format: int32
             * @description The HTTP status.
             */
            status: number;
            /** @description What kind it is, in words. */
            title: string;
            /** @description Where this kind is described: `/problems/{code}`. */
            type: string;
        };
        /** @description A producer's identity for its next incarnation. */
        ProducerView: {
            /**
             * Format: int32
             * @description Send it as `X-Via-Epoch`; older epochs are refused from now on.
             */
            epoch: number;
            /**
             * Format: int64
             * @description Send it as `X-Via-Producer`.
             */
            producer: number;
        };
        /** @description How much of each thing; what is left out has no bound of its own. */
        QuotasDocument: {
            /**
             * Format: int64
             * @description Live API keys.
             * @default null
             */
            api_keys: number | null;
            /**
             * Format: int64
             * @description Detections that are stored.
             * @default null
             */
            detections: number | null;
            /**
             * Format: int64
             * @description Entities with a profile.
             * @default null
             */
            entities: number | null;
            /**
             * Format: int64
             * @description Events at once, above what is sustained.
             * @default null
             */
            events_burst: number | null;
            /**
             * Format: int64
             * @description Events in a second, sustained.
             * @default null
             */
            events_per_second: number | null;
            /**
             * Format: int64
             * @description Bytes of one request.
             * @default null
             */
            request_bytes: number | null;
            /**
             * Format: int64
             * @description Requests to the API in a second.
             * @default null
             */
            requests_per_second: number | null;
            /**
             * Format: int64
             * @description How long detections are stored, seconds.
             * @default null
             */
            retention_seconds: number | null;
            /**
             * Format: int64
             * @description Streams.
             * @default null
             */
            streams: number | null;
            /**
             * Format: int64
             * @description Live feeds at a time.
             * @default null
             */
            subscribers: number | null;
            /**
             * Format: int64
             * @description Users.
             * @default null
             */
            users: number | null;
        };
        /** @description A page of records, the oldest first. */
        RecordList: {
            /** @description The records. */
            items: components["schemas"]["RecordView"][];
            /**
             * Format: int64
             * @description Send it as `from` for the next page; absent at the end.
             */
            next?: number | null;
        };
        /** @description One record. */
        RecordView: {
            /**
             * Format: int64
             * @description Its place in the log.
             */
            index: number;
            /**
             * @description What concerns a person, such as the address it came from; absent when
             *     nothing does, or the person's key is destroyed.
             */
            personal?: string | null;
            /**
             * @description Who did what, when, in which request, what was before and after; absent
             *     when it is so old that only its hash is kept.
             */
            record?: Record<string, never> | null;
        };
        /** @description One event that was not applied. */
        RefusalView: {
            /** @description A stable code; /problems lists all. */
            code: string;
            /**
             * @description `rejected`: sending it again cannot help. `retry`: send it again, with what
             *     follows it of the same entity, under a new sequence.
             */
            fate: string;
            /**
             * Format: int64
             * @description Its line (NDJSON) or position (JSON), from 1.
             */
            line: number;
            /** @description Why, in words. */
            reason: string;
            /**
             * Format: int64
             * @description How long to wait before it is sent again; for `retry`.
             */
            retry_after_ms?: number | null;
        };
        /** @description Events refused for want of room. */
        RefusedView: {
            /**
             * Format: int64
             * @description The disk is full.
             */
            disk: number;
            /**
             * Format: int64
             * @description Their entities are new and of low priority.
             */
            low_priority: number;
            /**
             * Format: int64
             * @description Memory was full for too long.
             */
            memory: number;
            /**
             * Format: int64
             * @description Their entities are new.
             */
            new_entity: number;
        };
        /** @description The answer of `/readyz`. */
        Report: {
            /** @description Everything that was looked at. */
            components: components["schemas"]["Component"][];
            /** @description Whether requests are served in full. */
            ready: boolean;
        };
        /** @description To where a configuration is taken back. */
        Revert: {
            /**
             * Format: int64
             * @description A revision of the history.
             */
            to: number;
        };
        /** @description What a role is to allow. */
        RoleChange: {
            /** @description What it allows, like `events:read`: no more than who asks may do. */
            permissions: string[];
        };
        /** @description Every role: those that are built in, then those that the tenant made, by name. */
        RoleList: {
            /** @description The roles. */
            items: components["schemas"]["RoleView"][];
        };
        /** @description A role. */
        RoleView: {
            /** @description Whether it is built in, and stays as it is. */
            is_built_in: boolean;
            /** @description Its name. */
            name: string;
            /** @description What it allows. */
            permissions: string[];
            /**
             * Format: int64
             * @description The revision that set it; also the `ETag`. Absent for one that is built in.
             */
            revision?: number | null;
        };
        /** @description One event's verdict. */
        ScoreView: {
            /** @description What made up the score, largest first. */
            contributions: components["schemas"]["ContributionView"][];
            /** @description The detection it opened or belongs to. */
            detection?: string | null;
            expected?: components["schemas"]["ExpectedView"] | null;
            /**
             * Format: int64
             * @description Its line (NDJSON) or position (JSON), from 1.
             */
            line: number;
            /** @description One sentence; empty when nothing is remarkable. */
            reason: string;
            /**
             * Format: double
             * @description 0..1, calibrated: the same number means the same rarity everywhere.
             */
            score: number;
            /** @description The entity is still being learned; the score is provisional. */
            warming: boolean;
        };
        /** @description Counts, and each applied event's verdict. */
        ScoredEvents: components["schemas"]["Written"] & {
            /** @description One per applied event, by line. */
            scores: components["schemas"]["ScoreView"][];
        };
        /** @description An entity's recent past. */
        SeriesView: {
            /** @description The entity's key. */
            entity: string;
            /** @description Closed buckets, oldest first. */
            points: components["schemas"]["PointView"][];
            /** @description The stream's name. */
            stream: string;
        };
        /** @description One's own sessions, the oldest first. */
        SessionList: {
            /** @description The sessions. */
            items: components["schemas"]["SessionView"][];
        };
        /** @description A session, without what it is proved with. */
        SessionView: {
            /** @description When it began, RFC 3339. */
            begun: string;
            /** @description From when on it is over whatever happens, RFC 3339. */
            expires: string;
            /** @description Names the session. */
            id: string;
            /** @description Whether it is the one in which this is asked. */
            is_this: boolean;
            /** @description When it was used last, RFC 3339, to the minute. */
            used: string;
        };
        /** @description Every shard, by id. */
        ShardList: {
            /** @description The shards. */
            items: components["schemas"]["ShardView"][];
        };
        /** @description A shard. */
        ShardView: {
            /**
             * Format: int64
             * @description The last entry applied there.
             */
            applied?: number | null;
            /**
             * Format: int64
             * @description The last entry of its log where it is led.
             */
            last?: number | null;
            /** @description The node that leads it, when one that answers knows. */
            leader?: string | null;
            /** @description Nodes that only listen. */
            learners: string[];
            /** @description Nodes that should have a replica; the first should lead. */
            placed: string[];
            /** @description Its id. */
            shard: string;
            /**
             * Format: int64
             * @description In which term.
             */
            term?: number | null;
            /** @description Nodes that vote; while they change, of before and after. */
            voters: string[];
        };
        /**
         * @description Which way a deviation has to go.
         * @enum {string}
         */
        SideDocument: "any" | "above" | "below";
        /** @description An earlier detection of the same entity that was like this one. */
        SimilarView: {
            /** @description Event time at which it began, RFC 3339. */
            at: string;
            /** @description Its name, for `GET /api/v1/detections/{id}`; it may no longer be kept. */
            id: string;
            /**
             * Format: double
             * @description Its highest score, 0..1.
             */
            score: number;
            /**
             * Format: double
             * @description How much alike, 0..1: by test, feature, direction, size and duration.
             */
            similarity: number;
        };
        /** @description What stands out of the rhythm of the last 122 closed buckets (spectral residual). */
        SpectralDocument: {
            /** @description Whether it runs. */
            enabled?: boolean | null;
            threshold?: components["schemas"]["ThresholdDocument"] | null;
            /**
             * Format: double
             * @description Its weight against the other detectors.
             */
            weight?: number | null;
        };
        /** @description What the node holds and has done since it started. */
        NodeCounts: {
            /** @description What the nodes of the cluster say together, this one included. */
            cluster: components["schemas"]["ClusterCounts"];
            /**
             * Format: int64
             * @description Detections recorded.
             */
            detections: number;
            /**
             * Format: int64
             * @description Events refused as duplicates.
             */
            duplicate_events: number;
            /**
             * Format: int64
             * @description Events applied.
             */
            events: number;
            /**
             * Format: int64
             * @description Events refused as late.
             */
            late_events: number;
            /** @description How short memory for profiles is on this node, and what that has led to. */
            memory: components["schemas"]["MemoryView"];
            /**
             * Format: int64
             * @description Memory of the profiles, bytes.
             */
            profile_bytes: number;
            /**
             * Format: int64
             * @description Profiles in memory now. Those of entities that were quiet since the
             *     node started, or for long, are on disk only and not counted.
             */
            profiles: number;
            /**
             * Format: int64
             * @description Profiles changed since they were last saved.
             */
            profiles_dirty: number;
            /**
             * Format: int64
             * @description Batches recognised as sent before.
             */
            repeated_batches: number;
            /**
             * Format: int64
             * @description The catalog's revision.
             */
            revision: number;
            /**
             * Format: int32
             * @description Shards served here.
             */
            shards: number;
            /**
             * Format: int32
             * @description Shards ready to judge.
             */
            shards_ready: number;
            /**
             * Format: int64
             * @description State store on disk, bytes.
             */
            store_bytes: number;
        };
        StatsView: (components["schemas"]["NodeCounts"] | Record<string, never>) & {
            /**
             * Format: int64
             * @description Streams of the tenant that the caller may touch.
             */
            streams: number;
        };
        /**
         * @description Whether a tenant is served.
         * @enum {string}
         */
        StatusWord: "active" | "suspended" | "closing";
        /** @description Every stream, by name. */
        StreamList: {
            /** @description The streams. */
            items: components["schemas"]["StreamView"][];
        };
        /** @description A stream. */
        StreamView: {
            /** @description How its events are judged. */
            config: components["schemas"]["ConfigDocument"];
            /** @description When it was created, RFC 3339. */
            created: string;
            /** @description Its name. */
            name: string;
            /**
             * @description What of that it says itself; the rest are the node's defaults, as
             *     `[engine]`, `[detectors]` and `[thresholds]` in docs/CONFIGURATION set
             *     them, and changes with them.
             */
            own: components["schemas"]["ConfigDocument"];
            /**
             * Format: int64
             * @description The revision of its configuration; also the `ETag`.
             */
            revision: number;
        };
        /** @description A page of the suppression list, the oldest first. */
        SuppressionList: {
            /** @description The entries. */
            items: components["schemas"]["SuppressionView"][];
            /** @description Send it as `cursor` for the next page; absent at the end. */
            next?: string | null;
        };
        /** @description An entry of the suppression list. */
        SuppressionView: {
            /** @description When, RFC 3339. */
            at: string;
            /** @description Who made it, as records name them. */
            by: string;
            /** @description The entity's key; absent for one about a rhythm. */
            entity?: string | null;
            /** @description From when on it does not hold, RFC 3339; absent for never. */
            expires?: string | null;
            /** @description Whether it holds now. */
            holds: boolean;
            /** @description Names the entry. */
            id: string;
            /**
             * @description By what that user logs in, or what that key is called; absent for others,
             *     and for who is gone.
             */
            name?: string | null;
            /** @description Why. */
            reason: string;
            /** @description In which stream; absent for all. */
            stream?: string | null;
        };
        /** @description What a label changed. */
        TaughtView: {
            /** @description Until when, in event time, deviations like it of its entity are expected. */
            expected_until?: string | null;
            /** @description Every detector. */
            gains: components["schemas"]["GainView"][];
            /**
             * Format: int32
             * @description Labels that count for the stream now, the newest 64 at most.
             */
            labels: number;
            /**
             * Format: double
             * @description What it would score now.
             */
            score_after: number;
            /**
             * Format: double
             * @description What the same detection would have scored before the label, 0..1.
             */
            score_before: number;
            /** @description Whether it would be told now: whether that is at or above the threshold. */
            told_after: boolean;
        };
        /** @description What a tenant is to be. */
        TenantChange: {
            /** @description Whether its administrators need a second factor. */
            needs_second_factor?: boolean;
            /** @description Its plan, by name. */
            plan: string;
            /** @description All that it has different from the plan. */
            quotas?: components["schemas"]["QuotasDocument"];
            /** @description The only region in which its data may lie; fixed once it is set. */
            region?: string | null;
            /** @description Whether it is served. */
            status: components["schemas"]["StatusWord"];
        };
        /** @description A page of tenants, the oldest first. */
        TenantList: {
            /** @description The tenants. */
            items: components["schemas"]["TenantView"][];
            /** @description Send it as `cursor` for the next page; absent at the end. */
            next?: string | null;
        };
        /** @description A tenant. */
        TenantView: {
            administrator?: components["schemas"]["AdministratorView"] | null;
            /** @description When it was changed last, RFC 3339; absent for never. */
            changed?: string | null;
            /** @description When it was made, RFC 3339. */
            created: string;
            /** @description As records name it. */
            id: string;
            /** @description Its name. */
            name: string;
            /** @description Whether its administrators need a second factor. */
            needs_second_factor: boolean;
            /** @description What of that it has different from its plan. */
            own_quotas: components["schemas"]["QuotasDocument"];
            /** @description Its plan; absent for one that nobody put on a plan, which nothing bounds. */
            plan?: string | null;
            /** @description What it may use of each thing: what it has of its own, and of its plan. */
            quotas: components["schemas"]["QuotasDocument"];
            /** @description The only region in which its data may lie; absent for any. */
            region?: string | null;
            /**
             * Format: int64
             * @description The revision of what it may use, 0 for one that nobody put on a plan; also
             *     the `ETag`.
             */
            revision: number;
            /** @description Whether it is served. */
            status: components["schemas"]["StatusWord"];
        };
        /** @description When a score becomes a detection. */
        ThresholdDocument: {
            /**
             * Format: double
             * @description How fast the rules that adapt follow: 0 never, 1 at once.
             */
            adaptive_factor?: number | null;
            direction?: components["schemas"]["SideDocument"] | null;
            method?: components["schemas"]["MethodDocument"] | null;
            min_deviation?: components["schemas"]["MinDeviationDocument"] | null;
            /**
             * Format: double
             * @description Multiplies the evidence before the rule: 2 alarms earlier, 0.5 later.
             */
            sensitivity?: number | null;
        };
        /** @description A point in time. */
        TimeBody: string | number;
        /** @description Event-time discipline and warm-up. */
        TimingDocument: {
            /**
             * Format: double
             * @description How much older than the entity's newest an event may be, seconds.
             */
            lateness_secs?: number | null;
            /**
             * Format: int32
             * @description Events before an entity is judged.
             */
            warmup_events?: number | null;
        };
        /** @description What would follow from a configuration. */
        TrialView: {
            /** @description What would be different from what the stream says now. */
            changes: components["schemas"]["ChangeView"][];
            /** @description How events would be judged. */
            config: components["schemas"]["ConfigDocument"];
        };
        /** @description A page of usage, by day and stream. */
        UsageList: {
            /** @description The rows. */
            items: components["schemas"]["UsageView"][];
            /** @description Send it as `cursor` for the next page; absent at the end. */
            next?: string | null;
        };
        /** @description What was admitted of a stream on a day. */
        UsageView: {
            /** @description The day, in UTC. */
            day: string;
            /**
             * Format: int64
             * @description Events that changed state, each counted once.
             */
            events: number;
            /** @description The stream. */
            stream: string;
        };
        /** @description What a user is to be. */
        UserChange: {
            /** @description Whether they may log in. */
            is_active: boolean;
            /** @description What they may do: names of roles. */
            roles: string[];
        };
        /** @description Every user, by login. */
        UserList: {
            /** @description The users. */
            items: components["schemas"]["UserView"][];
        };
        /** @description A user, without what they prove themselves with. */
        UserView: {
            /** @description When they were made, RFC 3339. */
            created: string;
            /** @description Names the user. */
            id: string;
            /** @description Whether they may log in. */
            is_active: boolean;
            /** @description By what they log in. */
            login: string;
            /** @description The password that was drawn; shown once. */
            password?: string | null;
            /**
             * Format: int64
             * @description The revision that made or changed them; also the `ETag`.
             */
            revision: number;
            /** @description What they may do: names of roles. */
            roles: string[];
            /** @description When they logged in last, RFC 3339; absent for never. */
            seen?: string | null;
        };
        /** @description Event rate against level, trend and season (Holt-Winters). */
        VolumeDocument: {
            /**
             * Format: double
             * @description How fast the level follows, per bucket.
             */
            alpha?: number | null;
            /**
             * Format: double
             * @description How fast the trend follows, per bucket.
             */
            beta?: number | null;
            /** @description Whether it runs. */
            enabled?: boolean | null;
            /**
             * Format: double
             * @description How fast the season follows, per period.
             */
            gamma?: number | null;
            /**
             * Format: double
             * @description Length of the season, seconds; null detects it.
             */
            season_secs?: number | null;
            threshold?: components["schemas"]["ThresholdDocument"] | null;
            /**
             * Format: double
             * @description Its weight against the other detectors.
             */
            weight?: number | null;
        };
        /** @description How far something is from being able to judge. */
        WarmupView: {
            /**
             * Format: double
             * @description 0..1.
             */
            progress: number;
            /** @description It judges. */
            ready: boolean;
            /** @description Why it does not judge yet; empty when ready. */
            reason: string;
        };
        /** @description Who asks, and what they may do. */
        Whoami: {
            /** @description Names the user or the key. */
            id?: string | null;
            /** @description Whether they are the platform's own. */
            is_operator: boolean;
            /** @description `user`, `key`, or `anybody` where nobody is asked. */
            kind: string;
            /** @description By what the user logs in, or what the key is called. */
            name?: string | null;
            /** @description What they may do, like `events:read`. */
            permissions: string[];
            /** @description The only streams that they may touch; absent for all. */
            streams?: string[] | null;
            /** @description The tenant in which they act; absent for an operator who names none. */
            tenant?: string | null;
        };
        /** @description What became of the events: accepted + duplicates + refused is their number. */
        Written: {
            /**
             * Format: int64
             * @description Events that changed state, now or when the same request came first.
             */
            accepted: number;
            /**
             * Format: int64
             * @description Events whose unique id had been seen.
             */
            duplicates: number;
            /** @description The first thousand refused events. */
            refusals: components["schemas"]["RefusalView"][];
            /**
             * Format: int64
             * @description Events that were not applied.
             */
            refused: number;
            /** @description The whole request had been applied before; nothing changed now. */
            repeated: boolean;
        };
        /**
         * @description How rows are written.
         * @enum {string}
         */
        Format: "json" | "csv";
    };
    responses: never;
    parameters: never;
    requestBodies: never;
    headers: never;
    pathItems: never;
}
export type $defs = Record<string, never>;
export interface operations {
    review_access: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Everybody who can do something */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["AccessReview"];
                };
            };
            /** @description Failed; the code says why and the fate what to believe */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    list_audit: {
        parameters: {
            query?: {
                /** @description The index of the first; the oldest is 0. */
                from?: number;
                /** @description At most so many, 1 to 1,000; default 100. */
                limit?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page of records */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["RecordList"];
                };
            };
            /** @description Failed; the code says why and the fate what to believe */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    get_audit_checkpoint: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The signed note */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/plain; charset=utf-8": string;
                };
            };
            /** @description Failed; the code says why and the fate what to believe */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    export_audit: {
        parameters: {
            query?: {
                /** @description The index of the first record; default 0. */
                from?: number;
                /**
                 * @description The size of the log that the export leads to; when left out, its size now.
                 *     At most 4,096 records are exported at once.
                 */
                size?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The export */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/x-ndjson": string;
                };
            };
            /** @description Failed; the code says why and the fate what to believe */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    get_audit_head: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The signed head */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["HeadView"];
                };
            };
            /** @description Failed; the code says why and the fate what to believe */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    prove_audit_consistency: {
        parameters: {
            query: {
                /** @description The size of the log in an earlier head, at least 1. */
                from: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The proof */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ConsistencyView"];
                };
            };
            /** @description Failed; the code says why and the fate what to believe */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    prove_audit_inclusion: {
        parameters: {
            query: {
                /** @description Its index. */
                index: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The proof */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["InclusionView"];
                };
            };
            /** @description Failed; the code says why and the fate what to believe */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    get_cluster: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The cluster */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ClusterView"];
                };
            };
            /** @description Failed; the code says why and the fate what to believe */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    list_nodes: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Every node */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["NodeList"];
                };
            };
            /** @description Failed; the code says why and the fate what to believe */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    drain_node: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The node's id or name */
                node: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["Nothing"];
            };
        };
        responses: {
            /** @description The node as it is now */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["NodeView"];
                };
            };
            /** @description Failed; the code says why and the fate what to believe */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    remove_node: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The node's id or name */
                node: string;
                /** @description Gives up a node that does not answer any more, and what only it has. */
                force: boolean;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["Nothing"];
            };
        };
        responses: {
            /** @description The node as it is now */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["NodeView"];
                };
            };
            /** @description Failed; the code says why and the fate what to believe */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    undrain_node: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The node's id or name */
                node: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["Nothing"];
            };
        };
        responses: {
            /** @description The node as it is now */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["NodeView"];
                };
            };
            /** @description Failed; the code says why and the fate what to believe */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    rebalance: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["Nothing"];
            };
        };
        responses: {
            /** @description What was moved */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["MovedList"];
                };
            };
            /** @description Failed; the code says why and the fate what to believe */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    list_shards: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Every shard */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ShardList"];
                };
            };
            /** @description Failed; the code says why and the fate what to believe */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    transfer_shard: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The shard's id, like s7 */
                shard: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["Heir"];
            };
        };
        responses: {
            /** @description The leadership moved */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["MovedList"];
                };
            };
            /** @description Failed; the code says why and the fate what to believe */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    list_detections: {
        parameters: {
            query?: {
                /** @description Of this stream. */
                stream?: string;
                /** @description About this entity; needs `stream`. */
                entity?: string;
                /** @description At least this severe: low, medium, high, critical. */
                severity?: string;
                /** @description At least this score, 0..1. */
                min_score?: number;
                /**
                 * @description Whose strongest test is: volume, distribution, cardinality, burst, spectral,
                 *     change_point, forest, multi_scale, behavioural, drift.
                 */
                detector?: string;
                /** @description open or closed. */
                state?: string;
                /** @description Began at or after: RFC 3339 or epoch s, ms, µs or ns. */
                from?: string;
                /** @description Began before: RFC 3339 or epoch s, ms, µs or ns. */
                until?: string;
                /** @description Whether those about entities of the suppression list are listed too. */
                suppressed?: boolean;
                /** @description newest (default), oldest, or score. */
                sort?: string;
                /** @description At most so many, 1 to 1,000; default 100. */
                limit?: number;
                /** @description Where the page before ended; with the same filter and order. */
                cursor?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page of detections */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["DetectionList"];
                };
            };
            /** @description Failed; the code says why and the fate what to believe */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    get_detection: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description Like d17-1042-3 */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The detection */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["DetectionView"];
                };
            };
            /** @description Failed; the code says why and the fate what to believe */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    put_feedback: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description Like d17-1042-3 */
                id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["NewFeedback"];
            };
        };
        responses: {
            /** @description The detection, and what the label changed */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["LabelledView"];
                };
            };
            /** @description Failed; the code says why and the fate what to believe */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    delete_feedback: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description Like d17-1042-3 */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The detection, and what that changed */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["LabelledView"];
                };
            };
            /** @description Failed; the code says why and the fate what to believe */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    get_docs: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/html": string;
                };
            };
            /** @description Failed; the code says why and the fate what to believe */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    list_keys: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Every key */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["KeyList"];
                };
            };
            /** @description Failed; the code says why and the fate what to believe */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    create_key: {
        parameters: {
            query?: never;
            header?: {
                /** @description Names the request: sent again under the same key with the same body, it is answered as the first time for a day, and changes nothing more */
                "Idempotency-Key"?: string;
                /** @description Why, in one's own words: kept in the audit log */
                "X-Via-Reason"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["NewKey"];
            };
        };
        responses: {
            /** @description The key, shown this once */
            201: {
                headers: {
                    /** @description The revision */
                    ETag?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["KeyView"];
                };
            };
            /** @description Failed; the code says why and the fate what to believe */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    get_key: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The key's id */
                key: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The key */
            200: {
                headers: {
                    /** @description The revision */
                    ETag?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["KeyView"];
                };
            };
            /** @description Failed; the code says why and the fate what to believe */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    delete_key: {
        parameters: {
            query?: never;
            header?: {
                /** @description Names the request: sent again under the same key with the same body, it is answered as the first time for a day, and changes nothing more */
                "Idempotency-Key"?: string;
                /** @description Why, in one's own words: kept in the audit log */
                "X-Via-Reason"?: string;
            };
            path: {
                /** @description The key's id */
                key: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description It is good for nothing any more */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description Failed; the code says why and the fate what to believe */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    rotate_key: {
        parameters: {
            query?: never;
            header: {
                /** @description The ETag of the key that was read */
                "If-Match": string;
                /** @description Names the request: sent again under the same key with the same body, it is answered as the first time for a day, and changes nothing more */
                "Idempotency-Key"?: string;
                /** @description Why, in one's own words: kept in the audit log */
                "X-Via-Reason"?: string;
            };
            path: {
                /** @description The key's id */
                key: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["NewRotation"];
            };
        };
        responses: {
            /** @description The new key, shown this once */
            200: {
                headers: {
                    /** @description The new revision */
                    ETag?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["KeyView"];
                };
            };
            /** @description Failed; the code says why and the fate what to believe */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    follow_detections: {
        parameters: {
            query?: {
                /** @description Of this stream. */
                stream?: string;
                /** @description About this entity; needs `stream`. */
                entity?: string;
                /** @description At least this severe: low, medium, high, critical. */
                severity?: string;
                /** @description Resume after this cursor; `Last-Event-ID` does the same. */
                cursor?: string;
            };
            header?: {
                /** @description Resume after this cursor */
                "Last-Event-ID"?: string | null;
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A WebSocket with one message per text frame */
            101: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description Server-sent events, each with the cursor as its id */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/event-stream": components["schemas"]["LiveMessage"];
                };
            };
            /** @description Failed; the code says why and the fate what to believe */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    get_openapi: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description This document */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": Record<string, never>;
                };
            };
            /** @description Failed; the code says why and the fate what to believe */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    list_plans: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Every plan */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["PlanList"];
                };
            };
            /** @description Failed; the code says why and the fate what to believe */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    open_producer: {
        parameters: {
            query?: never;
            header?: {
                /** @description Names the request: sent again under the same key with the same body, it is answered as the first time for a day, and changes nothing more */
                "Idempotency-Key"?: string;
                /** @description Why, in one's own words: kept in the audit log */
                "X-Via-Reason"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["NewProducer"];
            };
        };
        responses: {
            /** @description The producer's next epoch */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ProducerView"];
                };
            };
            /** @description Failed; the code says why and the fate what to believe */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    list_roles: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Every role */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["RoleList"];
                };
            };
            /** @description Failed; the code says why and the fate what to believe */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    put_role: {
        parameters: {
            query?: never;
            header?: {
                /** @description The ETag of the role that was read; left out to make one */
                "If-Match"?: string | null;
                /** @description Names the request: sent again under the same key with the same body, it is answered as the first time for a day, and changes nothing more */
                "Idempotency-Key"?: string;
                /** @description Why, in one's own words: kept in the audit log */
                "X-Via-Reason"?: string;
            };
            path: {
                /** @description The role's name */
                role: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["RoleChange"];
            };
        };
        responses: {
            /** @description The role as it is now */
            200: {
                headers: {
                    /** @description The new revision */
                    ETag?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["RoleView"];
                };
            };
            /** @description The role, new */
            201: {
                headers: {
                    /** @description The revision */
                    ETag?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["RoleView"];
                };
            };
            /** @description Failed; the code says why and the fate what to believe */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    delete_role: {
        parameters: {
            query?: never;
            header: {
                /** @description The ETag of the role that was read */
                "If-Match": string;
                /** @description Names the request: sent again under the same key with the same body, it is answered as the first time for a day, and changes nothing more */
                "Idempotency-Key"?: string;
                /** @description Why, in one's own words: kept in the audit log */
                "X-Via-Reason"?: string;
            };
            path: {
                /** @description The role's name */
                role: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description It is gone */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description Failed; the code says why and the fate what to believe */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    list_sessions: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Every own session */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SessionList"];
                };
            };
            /** @description Failed; the code says why and the fate what to believe */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    create_session: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["NewSession"];
            };
        };
        responses: {
            /** @description The session, and what it is proved with */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["BegunView"];
                };
            };
            /** @description Failed; the code says why and the fate what to believe */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    delete_session: {
        parameters: {
            query?: never;
            header?: {
                /** @description Names the request: sent again under the same key with the same body, it is answered as the first time for a day, and changes nothing more */
                "Idempotency-Key"?: string;
                /** @description Why, in one's own words: kept in the audit log */
                "X-Via-Reason"?: string;
            };
            path: {
                /** @description The session's id */
                session: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description It is over */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description Failed; the code says why and the fate what to believe */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    get_stats: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Counts */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["StatsView"];
                };
            };
            /** @description Failed; the code says why and the fate what to believe */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    list_streams: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Every stream */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["StreamList"];
                };
            };
            /** @description Failed; the code says why and the fate what to believe */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    create_stream: {
        parameters: {
            query?: never;
            header?: {
                /** @description Names the request: sent again under the same key with the same body, it is answered as the first time for a day, and changes nothing more */
                "Idempotency-Key"?: string;
                /** @description Why, in one's own words: kept in the audit log */
                "X-Via-Reason"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["NewStream"];
            };
        };
        responses: {
            /** @description Created */
            201: {
                headers: {
                    /** @description The revision */
                    ETag?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["StreamView"];
                };
            };
            /** @description Failed; the code says why and the fate what to believe */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    get_stream: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The stream's name */
                stream: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The stream */
            200: {
                headers: {
                    /** @description The revision */
                    ETag?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["StreamView"];
                };
            };
            /** @description Failed; the code says why and the fate what to believe */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    put_stream_config: {
        parameters: {
            query?: never;
            header: {
                /** @description The ETag of the configuration that was read */
                "If-Match": string;
                /** @description Names the request: sent again under the same key with the same body, it is answered as the first time for a day, and changes nothing more */
                "Idempotency-Key"?: string;
                /** @description Why, in one's own words: kept in the audit log */
                "X-Via-Reason"?: string;
            };
            path: {
                /** @description The stream's name */
                stream: string;
            };
            cookie?: never;
        };
        /** @description All that the stream says itself; keys left out follow the node's defaults */
        requestBody: {
            content: {
                "application/json": components["schemas"]["ConfigDocument"];
            };
        };
        responses: {
            /** @description The stream as it is now */
            200: {
                headers: {
                    /** @description The new revision */
                    ETag?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["StreamView"];
                };
            };
            /** @description Failed; the code says why and the fate what to believe */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    list_stream_config_history: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The stream's name */
                stream: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Its history */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["EditionList"];
                };
            };
            /** @description Failed; the code says why and the fate what to believe */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    revert_stream_config: {
        parameters: {
            query?: never;
            header: {
                /** @description The ETag of the configuration that was read */
                "If-Match": string;
                /** @description Names the request: sent again under the same key with the same body, it is answered as the first time for a day, and changes nothing more */
                "Idempotency-Key"?: string;
                /** @description Why, in one's own words: kept in the audit log */
                "X-Via-Reason"?: string;
            };
            path: {
                /** @description The stream's name */
                stream: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["Revert"];
            };
        };
        responses: {
            /** @description The stream as it is now */
            200: {
                headers: {
                    /** @description The new revision */
                    ETag?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["StreamView"];
                };
            };
            /** @description Failed; the code says why and the fate what to believe */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    validate_stream_config: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The stream's name */
                stream: string;
            };
            cookie?: never;
        };
        /** @description All that the stream would say itself */
        requestBody: {
            content: {
                "application/json": components["schemas"]["ConfigDocument"];
            };
        };
        responses: {
            /** @description It is valid, and this would follow */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["TrialView"];
                };
            };
            /** @description Failed; the code says why and the fate what to believe */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    get_entity: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The stream's name */
                stream: string;
                /** @description The entity's key, percent-encoded */
                entity: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The profile */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["EntityView"];
                };
            };
            /** @description Failed; the code says why and the fate what to believe */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    reset_entity: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The stream's name */
                stream: string;
                /** @description The entity's key, percent-encoded */
                entity: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Forgotten */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description Failed; the code says why and the fate what to believe */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    get_entity_config: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The stream's name */
                stream: string;
                /** @description The entity's key, percent-encoded */
                entity: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description What it has different */
            200: {
                headers: {
                    /** @description The stream's revision */
                    ETag?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["OverrideView"];
                };
            };
            /** @description Failed; the code says why and the fate what to believe */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    put_entity_config: {
        parameters: {
            query?: never;
            header: {
                /** @description The stream's ETag that was read */
                "If-Match": string;
                /** @description Names the request: sent again under the same key with the same body, it is answered as the first time for a day, and changes nothing more */
                "Idempotency-Key"?: string;
                /** @description Why, in one's own words: kept in the audit log */
                "X-Via-Reason"?: string;
            };
            path: {
                /** @description The stream's name */
                stream: string;
                /** @description The entity's key, percent-encoded */
                entity: string;
            };
            cookie?: never;
        };
        /** @description All that it has different */
        requestBody: {
            content: {
                "application/json": components["schemas"]["EntityDocument"];
            };
        };
        responses: {
            /** @description What it has different now */
            200: {
                headers: {
                    /** @description The stream's new revision */
                    ETag?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["OverrideView"];
                };
            };
            /** @description Failed; the code says why and the fate what to believe */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    delete_entity_config: {
        parameters: {
            query?: never;
            header: {
                /** @description The stream's ETag that was read */
                "If-Match": string;
                /** @description Names the request: sent again under the same key with the same body, it is answered as the first time for a day, and changes nothing more */
                "Idempotency-Key"?: string;
                /** @description Why, in one's own words: kept in the audit log */
                "X-Via-Reason"?: string;
            };
            path: {
                /** @description The stream's name */
                stream: string;
                /** @description The entity's key, percent-encoded */
                entity: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description It has nothing different any more */
            204: {
                headers: {
                    /** @description The stream's new revision */
                    ETag?: string;
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description Failed; the code says why and the fate what to believe */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    get_series: {
        parameters: {
            query?: {
                /** @description At most so many points, 1 to 10,000; the past is decimated to fit. Default 500. */
                max_points?: number;
            };
            header?: never;
            path: {
                /** @description The stream's name */
                stream: string;
                /** @description The entity's key, percent-encoded */
                entity: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The series */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SeriesView"];
                };
            };
            /** @description Failed; the code says why and the fate what to believe */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    write_events: {
        parameters: {
            query?: never;
            header?: {
                /** @description Producer id, with epoch and sequence: exactly once */
                "X-Via-Producer"?: number | null;
                /** @description The producer's epoch */
                "X-Via-Epoch"?: number | null;
                /** @description The request's number in that epoch */
                "X-Via-Sequence"?: number | null;
            };
            path: {
                /** @description The stream's name */
                stream: string;
            };
            cookie?: never;
        };
        /** @description One event, an array of events, or one event per line; plain, gzip or zstd */
        requestBody: {
            content: {
                "application/json": components["schemas"]["EventsBody"];
                "application/x-ndjson": components["schemas"]["EventBody"];
            };
        };
        responses: {
            /** @description What became of each event */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Written"];
                };
            };
            /** @description Failed; the code says why and the fate what to believe */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    list_entity_configs: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The stream's name */
                stream: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Every entity that has something different */
            200: {
                headers: {
                    /** @description The stream's revision */
                    ETag?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["OverrideList"];
                };
            };
            /** @description Failed; the code says why and the fate what to believe */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    score_events: {
        parameters: {
            query?: never;
            header?: {
                /** @description Producer id, with epoch and sequence: exactly once */
                "X-Via-Producer"?: number | null;
                /** @description The producer's epoch */
                "X-Via-Epoch"?: number | null;
                /** @description The request's number in that epoch */
                "X-Via-Sequence"?: number | null;
            };
            path: {
                /** @description The stream's name */
                stream: string;
            };
            cookie?: never;
        };
        /** @description As for events; at most 16,384 of them */
        requestBody: {
            content: {
                "application/json": components["schemas"]["EventsBody"];
                "application/x-ndjson": components["schemas"]["EventBody"];
            };
        };
        responses: {
            /** @description What became of each event, and its verdict */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ScoredEvents"];
                };
            };
            /** @description Failed; the code says why and the fate what to believe */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    list_suppressions: {
        parameters: {
            query?: {
                /** @description In this stream; those of all streams are not listed then. */
                stream?: string;
                /** @description About this entity. */
                entity?: string;
                /** @description At most so many, 1 to 1,000; default 100. */
                limit?: number;
                /** @description Where the page before ended; with the same filter. */
                cursor?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page of entries */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SuppressionList"];
                };
            };
            /** @description Failed; the code says why and the fate what to believe */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    create_suppression: {
        parameters: {
            query?: never;
            header?: {
                /** @description Names the request: sent again under the same key with the same body, it is answered as the first time for a day, and changes nothing more */
                "Idempotency-Key"?: string;
                /** @description Why, in one's own words: kept in the audit log */
                "X-Via-Reason"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["NewSuppression"];
            };
        };
        responses: {
            /** @description The entry */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SuppressionView"];
                };
            };
            /** @description Failed; the code says why and the fate what to believe */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    delete_suppression: {
        parameters: {
            query?: never;
            header?: {
                /** @description Names the request: sent again under the same key with the same body, it is answered as the first time for a day, and changes nothing more */
                "Idempotency-Key"?: string;
                /** @description Why, in one's own words: kept in the audit log */
                "X-Via-Reason"?: string;
            };
            path: {
                /** @description The entry's id */
                suppression: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description It is gone */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description Failed; the code says why and the fate what to believe */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    get_own_tenant: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The tenant */
            200: {
                headers: {
                    /** @description The revision */
                    ETag?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["TenantView"];
                };
            };
            /** @description Failed; the code says why and the fate what to believe */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    list_tenants: {
        parameters: {
            query?: {
                /** @description Of this status: active, suspended, closing. */
                status?: components["schemas"]["StatusWord"];
                /** @description On this plan, by name. */
                plan?: string;
                /** @description At most so many, 1 to 1,000; default 100. */
                limit?: number;
                /** @description Where the page before ended; with the same filter. */
                cursor?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page of tenants */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["TenantList"];
                };
            };
            /** @description Failed; the code says why and the fate what to believe */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    create_tenant: {
        parameters: {
            query?: never;
            header?: {
                /** @description Names the request: sent again under the same key with the same body, it is answered as the first time for a day, and changes nothing more */
                "Idempotency-Key"?: string;
                /** @description Why, in one's own words: kept in the audit log */
                "X-Via-Reason"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["NewTenant"];
            };
        };
        responses: {
            /** @description The tenant, and its administrator's password, shown this once */
            201: {
                headers: {
                    /** @description The revision */
                    ETag?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["TenantView"];
                };
            };
            /** @description Failed; the code says why and the fate what to believe */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    get_tenant: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The tenant's name */
                tenant: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The tenant */
            200: {
                headers: {
                    /** @description The revision */
                    ETag?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["TenantView"];
                };
            };
            /** @description Failed; the code says why and the fate what to believe */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    put_tenant: {
        parameters: {
            query?: never;
            header: {
                /** @description The ETag of the tenant that was read */
                "If-Match": string;
                /** @description Names the request: sent again under the same key with the same body, it is answered as the first time for a day, and changes nothing more */
                "Idempotency-Key"?: string;
                /** @description Why, in one's own words: kept in the audit log */
                "X-Via-Reason"?: string;
            };
            path: {
                /** @description The tenant's name */
                tenant: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["TenantChange"];
            };
        };
        responses: {
            /** @description The tenant as it is now */
            200: {
                headers: {
                    /** @description The new revision */
                    ETag?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["TenantView"];
                };
            };
            /** @description Failed; the code says why and the fate what to believe */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    get_usage: {
        parameters: {
            query?: {
                /** @description The first day, as `2026-01-31`, in UTC; when left out, 30 days before the last. */
                from?: string;
                /** @description The last day; when left out, today. */
                until?: string;
                /** @description Only this stream. */
                stream?: string;
                /** @description `json` or `csv`. */
                format?: components["schemas"]["Format"];
                /** @description At most so many rows, 1 to 10,000. */
                limit?: number;
                /** @description Go on after a page: its `next`. */
                cursor?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page of usage; of CSV, `Link` leads to the next */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["UsageList"];
                    "text/csv": string;
                };
            };
            /** @description Failed; the code says why and the fate what to believe */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    list_users: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Every user */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["UserList"];
                };
            };
            /** @description Failed; the code says why and the fate what to believe */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    create_user: {
        parameters: {
            query?: never;
            header?: {
                /** @description Names the request: sent again under the same key with the same body, it is answered as the first time for a day, and changes nothing more */
                "Idempotency-Key"?: string;
                /** @description Why, in one's own words: kept in the audit log */
                "X-Via-Reason"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["NewUser"];
            };
        };
        responses: {
            /** @description The user */
            201: {
                headers: {
                    /** @description The revision */
                    ETag?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["UserView"];
                };
            };
            /** @description Failed; the code says why and the fate what to believe */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    get_user: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The user's id */
                user: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The user */
            200: {
                headers: {
                    /** @description The revision */
                    ETag?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["UserView"];
                };
            };
            /** @description Failed; the code says why and the fate what to believe */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    put_user: {
        parameters: {
            query?: never;
            header: {
                /** @description The ETag of the user that was read */
                "If-Match": string;
                /** @description Names the request: sent again under the same key with the same body, it is answered as the first time for a day, and changes nothing more */
                "Idempotency-Key"?: string;
                /** @description Why, in one's own words: kept in the audit log */
                "X-Via-Reason"?: string;
            };
            path: {
                /** @description The user's id */
                user: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["UserChange"];
            };
        };
        responses: {
            /** @description The user as they are now */
            200: {
                headers: {
                    /** @description The new revision */
                    ETag?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["UserView"];
                };
            };
            /** @description Failed; the code says why and the fate what to believe */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    delete_user: {
        parameters: {
            query?: never;
            header: {
                /** @description The ETag of the user that was read */
                "If-Match": string;
                /** @description Names the request: sent again under the same key with the same body, it is answered as the first time for a day, and changes nothing more */
                "Idempotency-Key"?: string;
                /** @description Why, in one's own words: kept in the audit log */
                "X-Via-Reason"?: string;
            };
            path: {
                /** @description The user's id */
                user: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Forgotten */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description Failed; the code says why and the fate what to believe */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    reset_password: {
        parameters: {
            query?: never;
            header?: {
                /** @description Names the request: sent again under the same key with the same body, it is answered as the first time for a day, and changes nothing more */
                "Idempotency-Key"?: string;
                /** @description Why, in one's own words: kept in the audit log */
                "X-Via-Reason"?: string;
            };
            path: {
                /** @description The user's id */
                user: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The password, shown this once */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["DrawnPassword"];
                };
            };
            /** @description Failed; the code says why and the fate what to believe */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    get_whoami: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Who asks */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Whoami"];
                };
            };
            /** @description Failed; the code says why and the fate what to believe */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    put_own_password: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["NewPassword"];
            };
        };
        responses: {
            /** @description It is changed */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description Failed; the code says why and the fate what to believe */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    get_livez: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The process runs */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/plain": string;
                };
            };
            /** @description Failed; the code says why and the fate what to believe */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    get_metrics: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Metrics */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/plain": string;
                };
            };
            /** @description Failed; the code says why and the fate what to believe */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    list_problems: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/html": string;
                };
            };
            /** @description Failed; the code says why and the fate what to believe */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    get_problem: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description A problem's code */
                code: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/html": string;
                };
            };
            /** @description Failed; the code says why and the fate what to believe */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
    get_readyz: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Ready */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Report"];
                };
            };
            /** @description Not ready: what is missing, in words */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Report"];
                };
            };
            /** @description Failed; the code says why and the fate what to believe */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDocument"];
                };
            };
        };
    };
}
