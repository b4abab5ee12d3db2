namespace Keyreeve.Web.Pages;

/// <summary>
/// Every sentence our pages show to people, in one place, so that a second language is a second copy of this file.
/// Names of clients, hosts and users are never woven into a sentence (word order differs between languages):
/// they stand in a line of their own under a label.
/// </summary>
public static class PageText
{
    /// <summary>BCP 47 tag of the texts below, for the <c>lang</c> attribute.</summary>
    public const string Language = "en";

    /// <summary>The name in the header of every page.</summary>
    public const string Product = "Keyreeve";

    internal const string Footer = "Identity and access for application enablement";
    internal const string SkipToContent = "Skip to content";

    internal const string SignIn = "Sign in";
    internal const string SignInLead = "Sign in to continue to this application.";
    internal const string Application = "Application";
    internal const string UserName = "User name";
    internal const string Password = "Password";
    internal const string Cancel = "Cancel";
    internal const string AfterSignIn = "Your password stays here. The application never sees it.";

    internal const string Consent = "Allow access?";
    internal const string ConsentLead = "This application asks for access in your name.";
    internal const string SignedInAs = "Signed in as";
    internal const string ScopesHeading = "If you allow, it can";
    internal const string NoScopes = "Know that you signed in, and nothing else.";
    internal const string Allow = "Allow";
    internal const string Deny = "Deny";
    internal const string AfterConsent = "Either way you go back to the application. If you deny, it gets no access.";

    internal const string FormPost = "Going back to the application";
    internal const string FormPostLead = "This takes a moment. If nothing happens, press the button.";
    internal const string FormPostWithoutScript = "Scripts are off in this browser: please press the button to go on.";
    internal const string Continue = "Continue";

    internal const string WhatToDo = "What you can do";
    internal const string Correlation = "Reference for support";
    internal const string StatusCode = "Status";

    internal const string Home = "The server is running";
    internal const string HomeLead = "Applications sign people in and get their access tokens here.";
    internal const string Issuer = "Issuer";
    internal const string Documents = "Documents for applications";
    internal const string OpenIdDiscovery = "OpenID Connect discovery";
    internal const string OAuthMetadata = "OAuth 2.0 server metadata";
    internal const string Jwks = "Public keys (JWKS)";
    internal const string DemoHeading = "Demo mode";
    internal const string DemoWarning = "This server runs with demo users and with an authority of its own making. Do not use it for anything real.";
    internal const string DemoUsers = "Demo users";
    internal const string TryNext = "What to try next";

    internal const string FormExpired = "This form is no longer valid. Please start again in the application.";
    internal const string SignInExpired = "This sign-in has expired. Please start again in the application.";
    internal const string RequestRefusedTitle = "This request cannot be completed";
    internal const string RequestRefusedWhatToDo = "Go back to the application and try again. If it happens again, give the reference below to those who run the application.";
    internal const string BusyTitle = "Too many people sign in at this moment. Please try again shortly.";
    internal const string TooManyTries = "Too many tries from your network. Please wait a moment and try again.";
    internal const string SignInFailed = "User name or password is not right.";
    internal const string ServerErrorTitle = "Something went wrong on our side";
    /// <summary>For the page of an unexpected error.</summary>
    public const string ServerError = "The request could not be completed. Please try again later.";

    /// <summary>The text in the browser's tab: the page first, since tabs are cut at the end.</summary>
    internal static string TabTitle(string title) => title + " \u2013 " + Product;

    /// <summary>The tab of a page that shows an error, so that a screen reader says it first.</summary>
    internal static string ErrorTitle(string title) => "Error: " + title;
}
