import 'reflect-metadata'
import {
  All,
  Controller,
  Delete,
  Get,
  type INestApplication,
  Module,
  NotFoundException,
  Post,
} from '@nestjs/common'
import { APP_GUARD, NestFactory } from '@nestjs/core'
import type { Auth } from '@telnyx-auth/core'
import type { AdapterOptions } from '@telnyx-auth/core/adapter'
import { Caller, RequireAuth, RequireScopes, TelnyxAuthGuard } from './telnyx-auth.js'

@Controller()
class AppController {
  @Get('me')
  me(@Caller() { subject, clientId, scopes }: Auth) {
    return { subject, clientId, scopes }
  }

  /** The guard answers requests for the metadata (RFC 9728), but only where NestJS has a route. */
  @All('.well-known/oauth-protected-resource')
  metadata() {
    throw new NotFoundException()
  }
}

@Controller('messages')
@RequireScopes('messaging.read')
class MessagesController {
  @Get()
  list() {
    return { messages: [] }
  }

  /** Needs both scopes. */
  @Post()
  @RequireScopes('messaging.write')
  send() {
    return { sent: true }
  }

  /** Needs one scope, and a user who has signed in within the last five minutes. */
  @Delete()
  @RequireAuth({ maxAgeSeconds: 300 })
  clear() {
    return { cleared: true }
  }
}

/** The application. Every route needs an access token. */
export function createApp(options: AdapterOptions): Promise<INestApplication> {
  @Module({
    controllers: [AppController, MessagesController],
    providers: [{ provide: APP_GUARD, useFactory: () => new TelnyxAuthGuard(options) }],
  })
  class AppModule {}
  return NestFactory.create(AppModule, { logger: ['warn', 'error'] })
}
