using System.Runtime.CompilerServices;

namespace Keyreeve.Web.Pages;

/// <summary>
/// Every sentence our pages show to people, by name; the words stand in one file per language (<c>Texts/en.json</c>). Names of
/// clients, hosts and users are never woven into a sentence (word order differs between languages): they stand in a line of their own
/// under a label.
/// </summary>
public static class PageText
{
    /// <summary>BCP 47 tag of the texts of this request, for the <c>lang</c> attribute.</summary>
    public static string Language => PageLanguage.Current.Tag;

    internal static string Footer => Text();
    internal static string SkipToContent => Text();
    internal static string Support => Text();
    internal static string SignIn => Text();
    internal static string SignInLead => Text();
    internal static string Application => Text();
    internal static string Website => Text();
    internal static string PrivacyPolicy => Text();
    internal static string TermsOfService => Text();
    internal static string UserName => Text();
    internal static string Password => Text();
    internal static string Cancel => Text();
    internal static string AfterSignIn => Text();
    internal static string PasskeySignIn => Text();
    internal static string PasskeyConfirm => Text();
    internal static string PasskeyFailed => Text();
    internal static string PasskeyRefused => Text();
    internal static string Or => Text();
    internal static string SecondStep => Text();
    internal static string SecondStepLead => Text();
    internal static string Code => Text();
    internal static string CodeHint => Text();
    internal static string Confirm => Text();
    internal static string LostDevice => Text();
    internal static string RecoveryCode => Text();
    internal static string SecondStepFailed => Text();
    internal static string NewPasswordTitle => Text();
    internal static string NewPasswordLead => Text();
    internal static string NewPassword => Text();
    internal static string RepeatPassword => Text();
    internal static string CurrentPassword => Text();
    internal static string PasswordHint => Text();
    internal static string PasswordTooShort => Text();
    internal static string PasswordTooLong => Text();
    internal static string PasswordCommon => Text();
    internal static string PasswordUserName => Text();
    internal static string PasswordsDiffer => Text();
    internal static string PasswordSame => Text();
    internal static string PasswordWrong => Text();
    internal static string Consent => Text();
    internal static string ConsentLead => Text();
    internal static string SignedInAs => Text();
    internal static string ScopesHeading => Text();
    internal static string ScopesHint => Text();
    internal static string ScopeRequired => Text();
    internal static string NoScopes => Text();
    internal static string UseService => Text();
    internal static string Allow => Text();
    internal static string Deny => Text();
    internal static string AfterConsent => Text();
    internal static string FormPost => Text();
    internal static string FormPostLead => Text();
    internal static string FormPostWithoutScript => Text();
    internal static string Continue => Text();
    internal static string WhatToDo => Text();
    internal static string Correlation => Text();
    internal static string StatusCode => Text();
    internal static string Home => Text();
    internal static string HomeLead => Text();
    internal static string Issuer => Text();
    internal static string YourAccount => Text();
    internal static string Documents => Text();
    internal static string OpenIdDiscovery => Text();
    internal static string OAuthMetadata => Text();
    internal static string Jwks => Text();
    internal static string DemoHeading => Text();
    internal static string DemoWarning => Text();
    internal static string DemoUsers => Text();
    internal static string TryNext => Text();
    internal static string SignOutAsk => Text();
    internal static string SignOutAskLead => Text();
    internal static string StaySignedIn => Text();
    /// <summary>After a logout.</summary>
    public static string SignedOut => Text();
    /// <summary>After a logout: what it means.</summary>
    public static string SignedOutLead => Text();
    /// <summary>After a logout that was not wanted.</summary>
    public static string StillSignedIn => Text();
    /// <summary>After a logout that was not wanted: what it means.</summary>
    public static string StillSignedInLead => Text();
    /// <summary>A form or a link that waited too long.</summary>
    public static string FormExpired => Text();
    /// <summary>A sign-in that waited too long.</summary>
    public static string SignInExpired => Text();
    internal static string SignInUsed => Text();
    internal static string UnknownApplication => Text();
    internal static string ReturnNotRegistered => Text();
    internal static string RequestTooLong => Text();
    internal static string IsMissing => Text();
    internal static string IsRepeated => Text();
    internal static string RequestRefusedTitle => Text();
    internal static string RequestRefusedWhatToDo => Text();
    internal static string BusyTitle => Text();
    internal static string TooManyTries => Text();
    internal static string SignInFailed => Text();
    internal static string ServerErrorTitle => Text();
    /// <summary>For the page of an unexpected error.</summary>
    public static string ServerError => Text();
    internal static string Error => Text();
    internal static string AccountLead => Text();
    internal static string Sessions => Text();
    internal static string ThisSession => Text();
    internal static string Since => Text();
    internal static string UnknownBrowser => Text();
    internal static string EndSession => Text();
    internal static string EndOtherSessions => Text();
    internal static string Access => Text();
    internal static string NoAccess => Text();
    internal static string EndAccess => Text();
    internal static string Connections => Text();
    internal static string EndConnection => Text();
    internal static string AllowedOn => Text();
    internal static string YouAllowed => Text();
    internal static string Devices => Text();
    internal static string NoDevices => Text();
    internal static string DevicesNote => Text();
    internal static string Passkeys => Text();
    internal static string NoPasskeys => Text();
    internal static string PasskeysLead => Text();
    internal static string AddPasskey => Text();
    internal static string PasskeyName => Text();
    internal static string Rename => Text();
    internal static string Remove => Text();
    internal static string LastUsed => Text();
    internal static string NeverUsed => Text();
    internal static string Authenticator => Text();
    internal static string AuthenticatorOn => Text();
    internal static string AuthenticatorOff => Text();
    internal static string SetUpAuthenticator => Text();
    internal static string RemoveAuthenticator => Text();
    internal static string ScanLead => Text();
    internal static string QrAlt => Text();
    internal static string SecretLead => Text();
    internal static string WrongCode => Text();
    internal static string RecoveryCodes => Text();
    internal static string RecoveryLead => Text();
    internal static string CodesLeft => Text();
    internal static string NewRecoveryCodes => Text();
    internal static string RecoveryShownOnce => Text();
    internal static string ChangePassword => Text();
    internal static string ChangePasswordNote => Text();
    internal static string EndGrantsToo => Text();
    internal static string BackToAccount => Text();
    internal static string Done => Text();
    internal static string NotDone => Text();
    internal static string HomePage => Text();

    /// <summary>What the scope catalogue calls a scope, in the language of the page; names that an operator gave stay as they are.</summary>
    public static string Scope(string english) => PageLanguage.Current.Scopes.GetValueOrDefault(english, english);

    /// <summary>The title of a scope's consent line for a VAL service.</summary>
    public static string ScopeUseService => UseService;

    /// <summary>The text in the browser's tab: the page first, since tabs are cut at the end.</summary>
    internal static string TabTitle(string title, string product) => title + " \u2013 " + product;

    /// <summary>The tab of a page that shows an error, so that a screen reader says it first.</summary>
    internal static string ErrorTitle(string title) => Error + ": " + title;

    private static string Text([CallerMemberName] string name = "") => PageLanguage.Current.Texts[name];
}
